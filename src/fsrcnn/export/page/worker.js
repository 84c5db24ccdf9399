// A band of rows: pixels in, compressed lines of a PNG out. Each worker has engines of its own.
"use strict";

const networks = new Map();

onmessage = async ({ data }) => {
    try {
        if (data.engine) networks.set(data.network, await start(data));
        else {
            const lines = enlarge(networks.get(data.network), data), packed = deflated(lines);
            postMessage({ packed, sums: adler(lines), length: lines.length }, [packed.buffer]);
            return;
        }
        postMessage({});
    } catch (error) {
        postMessage({ error: error.message });
    }
};

async function start({ engine, weights, scale, colour }) {
    const { instance } = await WebAssembly.instantiate(engine);
    const run = instance.exports;
    const at = reserve(run, weights.byteLength);
    new Float32Array(run.memory.buffer, at, weights.length).set(weights);
    const network = { run, weights: at, scale, colour };
    // The browser translates the code again, for speed, once it has run for a while.
    const blank = { pixels: new Uint8Array(64 * 64 * 4), width: 64, rows: 64, first: 0, last: 64, alpha: false, margin: 0 };
    for (let i = 0; i < 3; i++) deflated(enlarge(network, blank));
    return network;
}

function reserve(run, bytes) {
    const at = run.calloc(bytes, 1);
    if (!at) throw new Error("not enough memory");
    return at >>> 0;
}

// The rows from `first` to `last` of so many rows of RGBA, enlarged: each a filter's number and its bytes.
function enlarge({ run, weights, scale, colour }, { pixels, width, rows, first, last, alpha, margin }) {
    const channels = alpha ? 4 : 3;
    if (alpha) continueColours(pixels, width, rows, margin);
    const size = width * rows * channels;
    const from = reserve(run, size), to = reserve(run, size * scale * scale);
    const given = new Uint8Array(run.memory.buffer, from, size);
    if (alpha) given.set(pixels);
    else for (let i = 0, j = 0; i < size; j++) {
        given[i++] = pixels[j++];
        given[i++] = pixels[j++];
        given[i++] = pixels[j++];
    }
    const failed = run.upscale_rgb(weights, from, to, rows, width, channels, ...colour);
    if (failed) throw new Error("not enough memory");
    const length = width * scale * channels;
    const made = new Uint8Array(run.memory.buffer, to + first * scale * length, (last - first) * scale * length);
    const lines = filtered(made, length, channels);
    run.free(from);
    return lines;
}

// Filters as PNG has them: a band's first line is told from its left neighbours alone, the others by Paeth.
function filtered(bytes, length, channels) {
    const count = bytes.length / length, lines = new Uint8Array(count * (length + 1));
    lines[0] = 1;
    for (let i = 0; i < length; i++) lines[i + 1] = bytes[i] - (i < channels ? 0 : bytes[i - channels]);
    for (let row = 1; row < count; row++) {
        let at = row * length, to = row * (length + 1);
        lines[to++] = 4;
        for (let i = 0; i < channels; i++, at++) lines[to++] = bytes[at] - bytes[at - length];
        for (const end = (row + 1) * length; at < end; at++) {
            const left = bytes[at - channels], above = bytes[at - length], corner = bytes[at - length - channels];
            const a = Math.abs(above - corner), b = Math.abs(left - corner), c = Math.abs(left + above - 2 * corner);
            lines[to++] = bytes[at] - (a <= b && a <= c ? left : b <= c ? above : corner);
        }
    }
    return lines;
}

// What lies under full transparency must not bleed into what is seen: ring after ring around it, a pixel takes
// the mean of those neighbours that have a colour. As in fsrcnn/upscaling/transparency.py.
function continueColours(pixels, width, rows, reach) {
    const known = new Uint8Array(width * rows);
    for (let i = 0; i < known.length; i++) known[i] = pixels[4 * i + 3] > 0;
    let ring = [];
    for (let i = 0; i < known.length; i++) {
        let touched = false;
        if (!known[i]) around(i, (n) => (touched ||= known[n]));
        if (touched) ring.push(i);
    }
    for (let step = 0; step < reach && ring.length; step++) {
        const means = ring.map((i) => {
            const sum = [0, 0, 0];
            let count = 0;
            around(i, (n) => {
                if (!known[n]) return;
                count++;
                for (let c = 0; c < 3; c++) sum[c] += pixels[4 * n + c];
            });
            return sum.map((total) => rounded(total / count));
        });
        ring.forEach((i, k) => pixels.set(means[k], 4 * i));
        for (const i of ring) known[i] = 1;
        const next = new Set();
        for (const i of ring) around(i, (n) => known[n] || next.add(n));
        ring = [...next];
    }

    function around(i, visit) {
        const x = i % width;
        for (let row = i - x - width; row <= i - x + width; row += width)
            for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++)
                if (row >= 0 && row < known.length && row + column !== i) visit(row + column);
    }
}

function rounded(mean) { // halves to even, as NumPy has it
    const whole = Math.round(mean);
    return whole - mean === 0.5 && whole % 2 ? whole - 1 : whole;
}
