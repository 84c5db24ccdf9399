// Files to pixels, and pixels to a PNG file.
"use strict";

const TILE = 2048; // pixels a side that are read from the browser at a time
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
    picture.colour = await colourChunks(new Uint8Array(await file.arrayBuffer()));
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
    const start = String.fromCharCode(...bytes.subarray(0, 12));
    const view = new DataView(bytes.buffer);
    if (start.startsWith("\x89PNG")) {
        const found = [];
        for (let at = 8; at + 12 <= bytes.length; ) {
            const length = view.getUint32(at), name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
            if (name === "IDAT") break;
            if (["cICP", "iCCP", "sRGB", "gAMA", "cHRM"].includes(name)) found.push(bytes.slice(at, at + length + 12));
            at += length + 12;
        }
        return found;
    }
    const profile = start.startsWith("\xff\xd8") ? jpegProfile(bytes, view) : start.endsWith("WEBP") ? webpProfile(bytes, view) : [];
    // The browser makes RGB of all others.
    if (String.fromCharCode(...profile.slice(16, 20)) !== "RGB ") return [];
    const packed = new Blob([profile]).stream().pipeThrough(new CompressionStream("deflate"));
    const name = [..."icc"].map((letter) => letter.charCodeAt(0));
    return [chunk("iCCP", [...name, 0, 0, ...new Uint8Array(await new Response(packed).arrayBuffer())])];
}

function jpegProfile(bytes, view) {
    const parts = [];
    for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
        const end = at + 2 + view.getUint16(at + 2);
        const isPart = bytes[at + 1] === 0xe2 && String.fromCharCode(...bytes.subarray(at + 4, at + 15)) === "ICC_PROFILE";
        if (isPart) parts[bytes[at + 16]] = bytes.slice(at + 18, end);
        at = end;
    }
    return parts.reduce((whole, part) => Uint8Array.from([...whole, ...part]), new Uint8Array());
}

function webpProfile(bytes, view) {
    for (let at = 12; at + 8 <= bytes.length; ) {
        const length = view.getUint32(at + 4, true);
        if (String.fromCharCode(...bytes.subarray(at, at + 4)) === "ICCP") return bytes.slice(at + 8, at + 8 + length);
        at += 8 + length + (length % 2);
    }
    return new Uint8Array();
}

// A PNG of `lines`, an iterable of filtered rows.
async function encoded(width, height, alpha, colour, lines) {
    const header = new Uint8Array(13), view = new DataView(header.buffer);
    view.setUint32(0, width);
    view.setUint32(4, height);
    header.set([8, alpha ? 6 : 2], 8);
    const parts = [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a), chunk("IHDR", header), ...colour];
    const { writable, readable } = new CompressionStream("deflate");
    const reading = (async () => {
        for (const reader = readable.getReader(); ; ) {
            const { done, value } = await reader.read();
            if (done) return;
            parts.push(chunk("IDAT", value));
        }
    })();
    const writer = writable.getWriter();
    for await (const part of lines) await writer.write(part);
    await writer.close();
    await reading;
    return new Blob([...parts, chunk("IEND", [])], { type: "image/png" });
}

function chunk(name, data) {
    const bytes = new Uint8Array(data.length + 12), view = new DataView(bytes.buffer);
    view.setUint32(0, data.length);
    bytes.set([...name].map((letter) => letter.charCodeAt(0)), 4);
    bytes.set(data, 8);
    view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
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
