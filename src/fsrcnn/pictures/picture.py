"""A decoded picture: its samples, upright, and what else its file says."""

from typing import NamedTuple

import numpy as np

from fsrcnn.errors import InputError


class TooLargeError(InputError):
    """A picture of more pixels than are allowed."""


Chunk = tuple[bytes, bytes]  # of a PNG: its four letters and its data


class Metadata(NamedTuple):
    """What belongs to a picture beside its samples; None or empty where the file says nothing."""

    icc: bytes | None = None
    colour: tuple[Chunk, ...] = ()  # a PNG's own description of its colours: gAMA, cHRM, sRGB, cICP, ...
    dpi: tuple[float, float] | None = None  # pixels an inch, across and down
    exif: bytes | None = None  # from "Exif\0\0" on, without orientation and thumbnail
    xmp: bytes | None = None
    iptc: bytes | None = None
    texts: tuple[Chunk, ...] = ()  # a PNG's tEXt, zTXt and iTXt, as they are
    comment: bytes | None = None  # of a JPEG
    lossless: bool = False  # a WebP that was encoded without loss
    lossy: bool = False  # a JPEG, one in a TIFF, or a WebP that does not say that it lost nothing
    jpeg_quality: int | None = None  # 1..100, see `compression`


class Picture(NamedTuple):
    """`pixels`: (h, w) grey or (h, w, c), uint8 or uint16; c is 2 (grey, alpha), 3 (RGB) or 4 (RGBA)."""

    pixels: np.ndarray
    metadata: Metadata = Metadata()


def upright(pixels: np.ndarray, orientation: object) -> np.ndarray:
    """Undo an EXIF or TIFF orientation, 1..8; anything else is taken as 1."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def check_frames(frames: int) -> None:
    """Raise `InputError` if there is more than one."""
    if frames > 1:
        raise InputError(f"{frames} frames or pages; save one of them as a picture, or all as a clip")


def check_size(width: int, height: int, max_megapixels: float | None) -> None:
    """Raise `TooLargeError` if there are more pixels than that; None is no limit."""
    if max_megapixels is not None and width * height > max_megapixels * 1e6:
        raise TooLargeError(
            f"{width}x{height} is above the limit of {max_megapixels:g} megapixels; "
            "raise it with --max-megapixels"
        )
