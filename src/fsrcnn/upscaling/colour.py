"""Colour around a network that sees luma alone: split, enlarge the chroma by bicubic, put together.

Chroma is kept as the colour differences B - L and R - L, where L is the grey of the pixel's luma. They are
Cb and Cr but for a constant factor, which bicubic interpolation does not see. All arithmetic is in
float32 and nothing is rounded on the way, so 8-bit and 16-bit images take the same path.
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fsrcnn.data.luma import BLUE, GREEN, RED

Planes = NDArray[np.float32]

TAPS = 4  # of the cubic
BLACK = 16 / 255  # of the network's input, which is Y / 255
SHARE = (RED / 256, GREEN / 256, BLUE / 256)  # of R, G and B in it, each of 0..1
RANGE = sum(SHARE)  # from black to white in it


def luma_of_grey(grey: Planes) -> Planes:
    """The network's input for grey in 0..1: the luma of R = G = B, about 0.063..0.918."""
    return grey * RANGE + BLACK


def grey_of_luma(y: Planes) -> Planes:
    """The inverse of `luma_of_grey`."""
    return (y - BLACK) / RANGE


def split(colours: Planes) -> tuple[Planes, Planes]:
    """RGB (3, h, w) or grey (1, h, w) in 0..1 -> the network's input (h, w) and chroma.

    Chroma is (2, h, w) about 0; that of grey is (0, h, w).
    """
    if len(colours) == 1:
        return luma_of_grey(colours[0]), colours[:0]
    r, g, b = colours
    y = BLACK + r * SHARE[0] + g * SHARE[1] + b * SHARE[2]
    return y, colours[::-2] - grey_of_luma(y)


def merge(y: Planes, chroma: Planes) -> Planes:
    """The inverse of `split`, not clamped: (h, w) and (2 or 0, h, w) -> (3 or 1, h, w)."""
    grey = grey_of_luma(y)
    if len(chroma) == 0:
        return grey[None]
    blue, red = chroma
    colours = np.empty((3, *y.shape), np.float32)
    np.add(grey, red, out=colours[0])
    # Green follows from the other two, as the three differences have no luma.
    np.subtract(grey, red * (RED / GREEN) + blue * (BLUE / GREEN), out=colours[1])
    np.add(grey, blue, out=colours[2])
    return colours


def bicubic_columns(planes: Planes, scale: int) -> Planes:
    """(c, h, w) -> (c, h, w*scale) by the cubic of the baseline (a = -1/2, as in Pillow)."""
    channels, height, width = planes.shape
    first, weights = _taps(width, scale)
    padded = np.pad(planes, ((0, 0), (0, 0), (2, 2)))
    large = np.empty((channels, height, width, scale), np.float32)
    for phase in range(scale):
        shifted = (padded[..., first[phase] + tap :][..., :width] for tap in range(TAPS))
        large[..., phase] = _weighted_sum(shifted, weights[phase])
    return large.reshape(channels, height, width * scale)


def bicubic_rows(planes: Planes, scale: int, start: int, stop: int) -> Planes:
    """Rows `start` to `stop` of `planes` (c, h, w), enlarged in height: (c, (stop - start)*scale, w).

    `bicubic_rows(bicubic_columns(planes, scale), scale, 0, h)` is the whole; strips of it stay in the cache.
    """
    channels, height, width = planes.shape
    first, weights = _taps(height, scale)
    before, after = max(0, 2 - start), max(0, stop + 2 - height)
    padded = np.pad(planes[:, max(0, start - 2) : stop + 2], ((0, 0), (before, after), (0, 0)))
    large = np.empty((channels, stop - start, scale, width), np.float32)
    for phase in range(scale):
        shifted = (padded[:, first[phase] + tap :][:, : stop - start] for tap in range(TAPS))
        large[:, :, phase] = _weighted_sum(shifted, weights[phase, :, start:stop, None])
    return large.reshape(channels, (stop - start) * scale, width)


def _weighted_sum(planes: Iterable[Planes], weights: Planes) -> Planes:
    products = (plane * weight for plane, weight in zip(planes, weights, strict=True))
    total = next(products)
    for product in products:
        total += product
    return total


@lru_cache(maxsize=64)
def _taps(length: int, scale: int) -> tuple[list[int], Planes]:
    """The cubic filter along an axis of `length`, for each phase of an output pixel in its input pixel.

    Returns where in the axis, padded by 2, the first of the TAPS inputs of each phase lies for the first
    pixel, and the weights (scale, TAPS, length). Taps outside the image weigh nothing, and the others are
    normalised, as Pillow has it.
    """
    centre = (np.arange(scale) + 0.5) / scale - 0.5  # of each phase, from that of its input pixel
    first = np.floor(centre).astype(int) - 1
    offset = first[:, None] + np.arange(TAPS)
    x = np.abs(offset - centre[:, None])
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    inside = np.arange(length) + offset[..., None]
    weights = np.where(x < 1, near, far)[..., None] * ((inside >= 0) & (inside < length))
    return (first + 2).tolist(), (weights / weights.sum(1, keepdims=True)).astype(np.float32)
