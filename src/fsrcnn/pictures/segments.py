"""The strips and tiles of a TIFF as samples: Pillow's libtiff unpacks them, NumPy makes samples of the bytes.

tifffile finds them and reads the tags, but needs imagecodecs, 80 MB, for LZW and for 9 to 15 bits.
"""

import io
import struct
from typing import Any

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from fsrcnn.errors import InputError

NONE, HORIZONTAL = 1, 2  # compression, predictor
REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def samples(page: Any) -> np.ndarray:  # noqa: ANN401 - tifffile has no types
    """(h, w, samples a pixel) of a page whose samples are unsigned and have 2 to 16 bits.

    uint8, or uint16 above 8 bits. Raises `InputError` for a predictor that such samples don't have, and
    `ValueError` for damaged data.
    """
    height, width, depth = page.imagelength, page.imagewidth, page.samplesperpixel
    bits = page.bitspersample
    if page.predictor != NONE and (page.predictor != HORIZONTAL or bits not in (8, 16)):
        raise InputError(f"predictor {page.predictor} with {bits} bits; save the picture anew")
    planes = depth if page.planarconfig == 2 else 1
    tall, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, width)
    result = np.zeros((height, width, depth), np.uint8 if bits <= 8 else np.uint16)
    places = [
        (plane, top, left)
        for plane in range(planes)
        for top in range(0, height, tall)
        for left in range(0, width, wide)
    ]
    if len(page.dataoffsets) != len(places):
        raise ValueError(f"{len(page.dataoffsets)} strips or tiles of {len(places)}")
    for packed, index in page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts):
        if packed is None:  # left out by the writer: black
            continue
        plane, top, left = places[index]
        rows = tall if page.is_tiled else min(tall, height - top)
        channels = depth // planes
        flat = _unpacked(page, packed, rows, -(-wide * channels * bits // 8))
        part = _numbers(flat, bits, page.parent.byteorder)[:, : wide * channels].reshape(rows, wide, channels)
        if page.predictor == HORIZONTAL:
            part = part.cumsum(axis=1, dtype=part.dtype)
        place = result[top : top + rows, left : left + wide, plane : plane + channels]
        place[:] = part[: place.shape[0], : place.shape[1]]
    return result


def _unpacked(page: Any, packed: bytes, rows: int, row: int) -> np.ndarray:  # noqa: ANN401
    """A segment's bytes, (rows, bytes a row)."""
    if page.fillorder == 2:
        packed = packed.translate(REVERSED)
    if page.compression == NONE:
        flat = packed
    else:
        # A TIFF file of grey bytes, as wide as a row has bytes: its header and directory, then the segment.
        tags = {256: row, 257: rows, 258: 8, 259: page.compression, 262: 1, 277: 1, 278: rows}
        tags |= {273: 8 + 2 + 12 * (len(tags) + 2) + 4, 279: len(packed)}  # where it begins, and its length
        directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
        file = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + directory + bytes(4) + packed
        with TiffImageFile(io.BytesIO(file)) as image:  # not by `Image.open`, whose limit is one of pixels
            flat = image.tobytes()
    return np.frombuffer(flat, np.uint8, rows * row).reshape(rows, row)


def _numbers(flat: np.ndarray, bits: int, byteorder: str) -> np.ndarray:
    """(rows, samples) of (rows, bytes); what is over at the end of a row becomes a sample or is left out."""
    if bits == 8:
        return flat
    if bits == 16:
        return flat.view(f"{byteorder}u2").astype(np.uint16)
    ones = np.unpackbits(flat, axis=1)
    ones = ones[:, : ones.shape[1] // bits * bits].reshape(len(flat), -1, bits)
    kind = np.uint8 if bits <= 8 else np.uint16
    return ones @ (1 << np.arange(bits)[::-1]).astype(kind)
