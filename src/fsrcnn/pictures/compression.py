"""What lossy compression a file's samples went through, as the file tells it."""

from collections.abc import Mapping, Sequence
from typing import IO

import numpy as np

# The table for luma of annex K of the JPEG standard, row by row, which libjpeg scales by its quality.
LUMA_TABLE = np.array(
    [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
        14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
        18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
        49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ]
)  # fmt: skip


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> int | None:
    """The quality, 1..100, at which libjpeg's table is nearest to the one for luma; None without one.

    `tables` are a JPEG's quantisation tables by number, row by row, as Pillow has them. Of a file that
    libjpeg wrote it is the quality that was asked for; other writers have tables and scales of their own.
    """
    if not tables or len(tables.get(0, ())) != 64:
        return None
    # Ratios count, not differences: else the high frequencies alone would decide.
    distance = ((np.log(_LIBJPEG) - np.log(np.clip(tables[0], 1, 255))) ** 2).sum(1)
    return int(distance.argmin()) + 1


def _scaled(quality: int) -> np.ndarray:
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((LUMA_TABLE * percent + 50) // 100, 1, 255)


_LIBJPEG = np.stack([_scaled(quality) for quality in range(1, 101)])


def is_lossless_webp(file: IO[bytes]) -> bool:
    """Whether a WebP's picture is of the kind VP8L; other chunks may stand before it."""
    before = file.tell()
    file.seek(12)
    found = b""
    while found not in (b"VP8L", b"VP8 ") and len(header := file.read(8)) == 8:
        found, length = header[:4], int.from_bytes(header[4:], "little")
        file.seek(length + length % 2, 1)
    file.seek(before)
    return found == b"VP8L"
