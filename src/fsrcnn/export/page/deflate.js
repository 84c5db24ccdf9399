// Deflate (RFC 1951) of a PNG's filtered lines: runs of one byte and Huffman codes, as zlib's strategy Z_RLE. Of
// photographs searching for more saves little, and CompressionStream makes no parts that can be joined.
"use strict";

const BLOCK = 1 << 16; // literals and runs that share their codes
const END = 256, SYMBOLS = 286, LONGEST_CODE = 15, LONGEST_RUN = 258;
const RUN_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const RUN_BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const RUN_SYMBOL = new Uint16Array(LONGEST_RUN + 1);
RUN_BASE.forEach((base, i) => RUN_SYMBOL.fill(END + 1 + i, base));

// Blocks none of which is the last, to a whole number of bytes.
function deflated(bytes) {
    const packed = new Uint8Array(2 * bytes.length + 1024), tokens = new Uint16Array(BLOCK);
    let at = 0, hold = 0, held = 0;

    function put(value, length) {
        hold |= value << held;
        for (held += length; held >= 8; held -= 8, hold >>>= 8) packed[at++] = hold;
    }

    for (let i = 0; i < bytes.length; ) {
        let count = 0;
        while (count < BLOCK && i < bytes.length) {
            const most = i && bytes[i] === bytes[i - 1] ? Math.min(LONGEST_RUN, bytes.length - i) : 0;
            let run = 0;
            while (run < most && bytes[i + run] === bytes[i]) run++;
            tokens[count++] = run >= 3 ? END + run : bytes[i];
            i += run >= 3 ? run : 1;
        }
        putBlock(tokens.subarray(0, count));
    }
    put(0, 3); // an empty block of stored bytes, which begin with a byte
    if (held) put(0, 8 - held);
    for (const byte of [0, 0, 0xff, 0xff]) put(byte, 8);
    return packed.slice(0, at);

    function putBlock(tokens) {
        const counts = new Uint32Array(SYMBOLS);
        for (const token of tokens) counts[token < END ? token : RUN_SYMBOL[token - END]]++;
        counts[END] = 1;
        const lengths = codeLengths(counts), codes = codesOf(lengths);
        put(0b100, 3); // not the last; codes of its own
        put(SYMBOLS - 257, 5);
        put(0, 5); // one distance, 1
        put(15, 4);
        // The lengths themselves: 16 numbers of 4 bits; the three shortcuts are not used.
        for (let i = 0; i < 19; i++) put(i < 3 ? 0 : 4, 3);
        for (const length of lengths) put(reversed(length, 4), 4);
        put(reversed(1, 4), 4);
        for (const token of tokens) {
            const symbol = token < END ? token : RUN_SYMBOL[token - END];
            put(codes[symbol], lengths[symbol]);
            if (symbol < END) continue;
            put(token - END - RUN_BASE[symbol - END - 1], RUN_EXTRA[symbol - END - 1]);
            put(0, 1); // the distance
        }
        put(codes[END], lengths[END]);
    }
}

// Of Huffman's codes; where one would be too long, of codes for counts that differ less.
function codeLengths(counts) {
    const lengths = depths(counts);
    return Math.max(...lengths) <= LONGEST_CODE ? lengths : codeLengths(counts.map((count) => count && ((count >> 1) | 1)));
}

function depths(counts) {
    const leaves = [...counts.keys()].filter((symbol) => counts[symbol]).sort((a, b) => counts[a] - counts[b]);
    const totals = leaves.map((symbol) => counts[symbol]), parents = []; // inner nodes follow the leaves
    let leaf = 0, inner = leaves.length;
    const smallest = () => (leaf < leaves.length && !(totals[inner] < totals[leaf]) ? leaf++ : inner++);
    while (totals.length < 2 * leaves.length - 1) {
        const pair = [smallest(), smallest()];
        for (const node of pair) parents[node] = totals.length;
        totals.push(totals[pair[0]] + totals[pair[1]]);
    }
    const depth = new Uint8Array(totals.length), lengths = new Uint8Array(counts.length);
    for (let node = totals.length - 2; node >= 0; node--) depth[node] = depth[parents[node]] + 1;
    leaves.forEach((symbol, i) => (lengths[symbol] = depth[i]));
    return lengths;
}

// The canonical codes of these lengths, their first bit lowest.
function codesOf(lengths) {
    const next = new Uint16Array(LONGEST_CODE + 1);
    for (let length = 1; length < next.length; length++) {
        const shorter = lengths.reduce((sum, other) => sum + (other === length - 1 && other > 0), 0);
        next[length] = (next[length - 1] + shorter) << 1;
    }
    return Uint16Array.from(lengths, (length) => reversed(next[length]++, length));
}

function reversed(code, length) {
    let turned = 0;
    for (let i = 0; i < length; i++) turned |= ((code >> i) & 1) << (length - 1 - i);
    return turned;
}

// The two sums of Adler-32, from [1, 0].
function adler(bytes) {
    let low = 1, high = 0;
    for (let i = 0; i < bytes.length; ) {
        for (const stop = Math.min(i + 2000, bytes.length); i < stop; i++) high += low += bytes[i];
        low %= 65521;
        high %= 65521;
    }
    return [low, high];
}
