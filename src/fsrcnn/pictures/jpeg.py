"""JPEG files: Pillow encodes them, large ones strip by strip.

Pillow needs four bytes a pixel for a copy of the whole picture. Restart marks, after which nothing of what
came before is needed, allow to join strips that were encoded apart: the samples are those of one piece.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from fsrcnn.pictures import metadata
from fsrcnn.pictures.picture import Metadata
from fsrcnn.pictures.strips import in_order

QUALITY = 95
SEGMENT = 65_500  # bytes that fit into one block of a file
STRIP = 2**23  # bytes of pixels
ROWS = 8 * 8  # of blocks of 8x8: restart marks are numbered 0 to 7 and then anew
START_OF_FRAME, START_OF_SCAN = 0xC0, 0xDA
LAST_MARK, END = b"\xff\xd7", b"\xff\xd9"


def write(pixels: np.ndarray, kept: Metadata) -> Iterator[bytes]:
    """The bytes of a file, in parts, for uint8 (h, w) or (h, w, 3)."""
    height, width = pixels.shape[:2]
    rows = max(1, STRIP // pixels[0].nbytes // ROWS) * ROWS
    if height <= rows:
        yield _encoded(pixels, _described(kept, width, height))
        return
    described = _described(kept, width, height)
    starts = range(0, height, rows)
    for start, (header, scan) in zip(
        starts, in_order(partial(_strip, pixels, rows, described), starts), strict=True
    ):
        yield LAST_MARK if start else _of_height(header, height)
        yield scan
    yield END


def _described(kept: Metadata, width: int, height: int) -> dict[str, Any]:
    """What Pillow takes to describe the picture."""
    exif = metadata.parsed(kept.exif, width, height)
    described: dict[str, Any] = {"exif": exif.tobytes()} if len(exif) else {}
    return described | {
        "comment": kept.comment,
        "extra": _blocks(kept),
        "dpi": kept.dpi or (0, 0),  # which says nothing
        "icc_profile": kept.icc,
    }


def _encoded(pixels: np.ndarray, described: dict[str, Any], **options: int) -> bytes:
    with _in_memory() as file:
        Image.fromarray(pixels).save(
            file, "JPEG", quality=QUALITY, subsampling="4:4:4", **described, **options
        )
        file.seek(0)
        content = file.read()
    if not content.endswith(END):  # Pillow does not see the short write where files have a limit
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return content


def _in_memory() -> BinaryIO:
    # Only while it writes to a file with a number does Pillow let other threads run.
    return os.fdopen(os.memfd_create("jpeg"), "w+b") if sys.platform == "linux" else io.BytesIO()


def _strip(pixels: np.ndarray, rows: int, described: dict[str, Any], start: int) -> tuple[bytes, bytes]:
    """The strip from a row on, as a file of its own: all up to the scan, and the scan."""
    content = _encoded(pixels[start : start + rows], {} if start else described, restart_marker_rows=1)
    end = next(end for marker, _, end in _segments(content) if marker == START_OF_SCAN)
    return content[:end], content[end : -len(END)]


def _of_height(header: bytes, height: int) -> bytes:
    frame = next(at for marker, at, _ in _segments(header) if marker == START_OF_FRAME)
    at = frame + 5  # after the marker, the length and the bits of a sample
    return header[:at] + height.to_bytes(2, "big") + header[at + 2 :]


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker of each segment after the first two bytes, where it begins and where it ends."""
    at = 2
    while at < len(content):
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        yield content[at + 1], at, end
        at = end


def _blocks(kept: Metadata) -> bytes:
    """XMP and IPTC as segments."""
    blocks = []
    if kept.xmp:
        blocks.append(b"\xff\xe1" + _sized(b"http://ns.adobe.com/xap/1.0/\0" + kept.xmp))
    if kept.iptc:
        length = len(kept.iptc).to_bytes(4, "big")
        padding = bytes(len(kept.iptc) % 2)
        blocks.append(
            b"\xff\xed" + _sized(b"Photoshop 3.0\x008BIM\x04\x04\0\0" + length + kept.iptc + padding)
        )
    return b"".join(blocks)


def _sized(data: bytes) -> bytes:
    return (len(data) + 2).to_bytes(2, "big") + data
