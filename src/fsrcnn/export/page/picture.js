// Files to pixels, and pixels to a PNG file.
"use strict";

const TILE = 2048; // pixels a side that are read from the browser at a time
const FINEST = 667; // sum of a JPEG's table for luma at quality 91, from where on a picture counts as clean
const AS_STORED = { colorSpaceConversion: "none", premultiplyAlpha: "none" };

// The picture in a file, upright, its samples as they are stored: RGBA, 8 bits.
async function decoded(file) {
    let bitmap;
    try {
        bitmap = await createImageBitmap(file, AS_STORED);
    } catch {
        throw new Error(`${file.name || "This"} is no picture that this browser can read.`);
    }
    const { width, height } = bitmap;
    if (width * height > LIMIT) throw new Error(`${width} × ${height} pixels are too many for this page.`);
    const picture = { width, height, pixels: new Uint8Array(width * height * 4), alpha: false };
    try {
        await copyTiles(bitmap, picture, drawn);
        for (let i = 3; i < picture.pixels.length && !picture.alpha; i += 4) picture.alpha = picture.pixels[i] < 255;
        // A canvas multiplies colours by alpha and rounds them; a texture does not.
        if (picture.alpha) await copyTiles(bitmap, picture, textured);
    } finally {
        bitmap.close();
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    picture.colour = await colourChunks(bytes);
    picture.coarse = isCoarse(bytes);
    return picture;
}

async function copyTiles(bitmap, { width, height, pixels }, read) {
    for (let top = 0; top < height; top += TILE)
        for (let left = 0; left < width; left += TILE) {
            const across = Math.min(TILE, width - left), down = Math.min(TILE, height - top);
            const tile = await createImageBitmap(bitmap, left, top, across, down, AS_STORED);
            const samples = read(tile);
            tile.close();
            for (let row = 0; samples && row < down; row++)
                pixels.set(samples.subarray(row * across * 4, (row + 1) * across * 4), ((top + row) * width + left) * 4);
        }
}

function drawn(tile) {
    const canvas = Object.assign(document.createElement("canvas"), { width: tile.width, height: tile.height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(tile, 0, 0);
    return context.getImageData(0, 0, tile.width, tile.height).data;
}

// Nothing where there is no WebGL.
function textured(tile) {
    const gl = document.createElement("canvas").getContext("webgl");
    if (!gl) return null;
    const samples = new Uint8Array(tile.width * tile.height * 4);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, tile);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0);
    gl.readPixels(0, 0, tile.width, tile.height, gl.RGBA, gl.UNSIGNED_BYTE, samples);
    const failed = gl.getError();
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    return failed ? null : samples;
}

// What a file says of its colours, as chunks of a PNG.
async function colourChunks(bytes) {
    if (isPng(bytes)) {
        const before = [...pngChunks(bytes)].filter(({ name }) => ["cICP", "iCCP", "sRGB", "gAMA", "cHRM"].includes(name));
        return before.map(({ start, end }) => bytes.slice(start, end));
    }
    const parts = isJpeg(bytes)
        ? [...segments(bytes)].filter(({ kind, at }) => kind === 0xe2 && text(bytes, at, 11) === "ICC_PROFILE")
            .sort((a, b) => bytes[a.at + 12] - bytes[b.at + 12]).map(({ at, end }) => bytes.slice(at + 14, end))
        : [...webpChunks(bytes)].filter(({ name }) => name === "ICCP").map(({ at, end }) => bytes.slice(at, end));
    const profile = new Blob(parts);
    // Of another kind of profile the browser made RGB.
    if (text(new Uint8Array(await profile.arrayBuffer()), 16, 4) !== "RGB ") return [];
    const packed = await new Response(profile.stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
    return [chunk("iCCP", [...codes("icc"), 0, 0, ...new Uint8Array(packed)])];
}

// Whether a file was compressed so that the network for photographs is the better one: as `fsrcnn upscale --for auto`.
function isCoarse(bytes) {
    if (!isJpeg(bytes)) return [...webpChunks(bytes)].some(({ name }) => name === "VP8 ");
    for (const { kind, at, end } of segments(bytes))
        for (let table = at; kind === 0xdb && table < end; ) {
            const length = bytes[table] >> 4 ? 128 : 64;
            const sum = bytes.subarray(table + 1, table + 1 + length).reduce((total, step) => total + step, 0);
            if ((bytes[table] & 15) === 0) return sum > FINEST;
            table += 1 + length;
        }
    return true;
}

const text = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length));
const codes = (letters) => [...letters].map((letter) => letter.charCodeAt(0));
const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset);
const isPng = (bytes) => text(bytes, 0, 4) === "\x89PNG";
const isJpeg = (bytes) => text(bytes, 0, 2) === "\xff\xd8";

function* segments(bytes) {
    for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
        const end = at + 2 + view(bytes).getUint16(at + 2);
        yield { kind: bytes[at + 1], at: at + 4, end };
        at = end;
    }
}

function* pngChunks(bytes) {
    for (let start = 8; start + 12 <= bytes.length && text(bytes, start + 4, 4) !== "IDAT"; ) {
        const end = start + 12 + view(bytes).getUint32(start);
        yield { name: text(bytes, start + 4, 4), start, end };
        start = end;
    }
}

function* webpChunks(bytes) {
    for (let start = 12; text(bytes, 8, 4) === "WEBP" && start + 8 <= bytes.length; ) {
        const end = start + 8 + view(bytes).getUint32(start + 4, true);
        yield { name: text(bytes, start, 4), at: start + 8, end };
        start = end + (end % 2);
    }
}

// A PNG of compressed lines, band after band.
async function encoded(width, height, alpha, colour, bands) {
    const header = new Uint8Array(13);
    view(header).setUint32(0, width);
    view(header).setUint32(4, height);
    header.set([8, alpha ? 6 : 2], 8);
    const parts = [Uint8Array.from(codes("\x89PNG\r\n\x1a\n")), chunk("IHDR", header), ...colour, chunk("IDAT", [0x78, 0x01])];
    let low = 1, high = 0; // of Adler-32; as if each band's lines followed those before
    for await (const { packed, sums, length } of bands) {
        parts.push(chunk("IDAT", packed));
        high = (high + sums[1] + length * (low + 65520)) % 65521;
        low = (low + sums[0] + 65520) % 65521;
    }
    const last = Uint8Array.of(1, 0, 0, 0xff, 0xff, high >> 8, high, low >> 8, low); // an empty block, and the sums
    return new Blob([...parts, chunk("IDAT", last), chunk("IEND", [])], { type: "image/png" });
}

function chunk(name, data) {
    const bytes = new Uint8Array(data.length + 12);
    view(bytes).setUint32(0, data.length);
    bytes.set(codes(name), 4);
    bytes.set(data, 8);
    view(bytes).setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
    return bytes;
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
});

function crc32(bytes) {
    let sum = -1;
    for (const byte of bytes) sum = CRC[(sum ^ byte) & 255] ^ (sum >>> 8);
    return ~sum >>> 0;
}
