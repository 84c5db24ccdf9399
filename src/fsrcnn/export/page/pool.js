// The networks out of the page, and the workers that run them.
"use strict";

const contents = JSON.parse(document.getElementById("contents").textContent);
const SHORTEST = 32, TALLEST = 160; // rows of a band; it repeats the work of its margins

const workers = (() => {
    const source = document.getElementById("worker").textContent;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    return Array.from({ length: Math.min(navigator.hardwareConcurrency || 2, 8) }, () => Object.assign(new Worker(url), { networks: new Set() }));
})();
const idle = [...workers], waiting = [];

const unpacked = (async () => {
    const packed = fromBase85(document.getElementById("data").textContent).subarray(0, contents.size);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    let at = 0;
    const engines = contents.engines.map((length) => bytes.slice(at, (at += length)));
    // The bytes of each weight, the upper ones first: all first ones, all second, and so on.
    const count = contents.networks.reduce((sum, network) => sum + network.weights, 0);
    const bits = Uint32Array.from({ length: count }, (_, i) =>
        (bytes[at + i] << 24) | (bytes[at + count + i] << 16) | (bytes[at + 2 * count + i] << 8) | bytes[at + 3 * count + i]);
    const all = new Float32Array(bits.buffer);
    let next = 0;
    const weights = contents.networks.map((network) => all.slice(next, (next += network.weights)));
    return { engines, weights };
})();

function fromBase85(text) {
    const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;/=>?@^_`{|}~";
    const value = Object.fromEntries([...alphabet].map((letter, i) => [letter.charCodeAt(0), i]));
    const view = new DataView(new ArrayBuffer((text.length / 5) * 4));
    for (let i = 0, at = 0; i < text.length; at += 4) {
        let word = 0;
        for (let k = 0; k < 5; k++) word = word * 85 + value[text.charCodeAt(i++)];
        view.setUint32(at, word);
    }
    return new Uint8Array(view.buffer);
}

// The rows of a picture, enlarged: compressed lines of a PNG, band after band; done(share) tells how much there is.
async function* enlarged({ width, height, pixels, alpha }, network, done) {
    const { margin } = contents.networks[network];
    const halo = alpha ? 2 * margin : margin; // the colours under full transparency come from as far again
    const count = Math.max(1, Math.min(workers.length * Math.ceil(height / workers.length / TALLEST), Math.floor(height / SHORTEST)));
    const pending = [];
    for (let i = 0; i < count; i++) {
        const start = Math.floor((height * i) / count), stop = Math.floor((height * (i + 1)) / count);
        const top = Math.max(start - halo, 0), bottom = Math.min(stop + halo, height);
        const band = { width, rows: bottom - top, first: start - top, last: stop - top, alpha, margin };
        pending.push(work(network, { ...band, pixels: pixels.slice(top * width * 4, bottom * width * 4) }));
        pending.at(-1).catch(() => {}); // it is heard of below
        if (pending.length === 2 * workers.length) yield next(i + 1);
    }
    while (pending.length) yield next(count);

    async function next(begun) {
        const lines = await pending.shift();
        done((begun - pending.length) / count);
        return lines;
    }
}

async function work(network, band) {
    const worker = await take();
    try {
        await load(worker, network);
        return await ask(worker, { network, ...band }, [band.pixels.buffer]);
    } finally {
        give(worker);
    }
}

// Have all workers ready for a network.
async function prepare(network) {
    const all = await Promise.all(workers.map(take));
    await Promise.all(all.map((worker) => load(worker, network)));
    all.forEach(give);
}

async function load(worker, network) {
    if (worker.networks.has(network)) return;
    const { engines, weights } = await unpacked;
    const { engine, scale } = contents.networks[network];
    const colour = [contents.black, ...contents.share];
    await ask(worker, { network, engine: engines[engine], weights: weights[network], scale, colour });
    worker.networks.add(network);
}

function take() {
    return idle.length ? Promise.resolve(idle.pop()) : new Promise((resolve) => waiting.push(resolve));
}

function give(worker) {
    if (waiting.length) waiting.shift()(worker);
    else idle.push(worker);
}

function ask(worker, message, transferred = []) {
    return new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
        worker.onerror = () => reject(new Error("a worker has failed"));
        worker.postMessage(message, transferred);
    });
}
