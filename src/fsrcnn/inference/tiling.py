"""Upscale an image of any size in bounded memory: in overlapping windows, each cropped to what is exact."""

from collections.abc import Callable, Iterator

import numpy as np

from fsrcnn.network.deconvolution import KERNEL, PADDING
from fsrcnn.network.weights import Weights

SIDE = 512  # of a window, in low-resolution pixels, its margins included


def receptive_radius(network: Weights) -> int:
    """How many low-resolution pixels away an input pixel can still change an output pixel.

    2 of the feature extraction's 5x5, 1 of each 3x3 of the mapping, and the reach of the deconvolution's
    9x9 kernel in the low-resolution grid. The receptive field is 2 * radius + 1 pixels wide.
    """
    scale = network.scale
    after, before = PADDING // scale, (KERNEL - PADDING - 2 + scale) // scale
    return 2 + network.m + max(before, after)


def tiled(
    upscale: Callable[[np.ndarray], np.ndarray], image: np.ndarray, scale: int, margin: int, side: int = SIDE
) -> np.ndarray:
    """Apply `upscale`, (h, w, ...) -> (h*scale, w*scale, ...), window by window: (H, W, ...) -> whole output.

    Exact if no output pixel depends on input pixels more than `margin` away, as windows overlap by twice
    that and reach the image's border where the whole image does. All windows of an image have one shape.
    """
    height, width, *channels = image.shape
    if max(height, width) <= side:
        return upscale(image)
    output = np.empty((height * scale, width * scale, *channels), image.dtype)
    for window_y, keep_y in _windows(height, margin, side):
        for window_x, keep_x in _windows(width, margin, side):
            large = upscale(image[window_y, window_x])
            output[_times(keep_y, scale), _times(keep_x, scale)] = large[
                _times(keep_y, scale, window_y.start), _times(keep_x, scale, window_x.start)
            ]
    return output


def _windows(length: int, margin: int, side: int) -> Iterator[tuple[slice, slice]]:
    """(window, the part of it to keep) along one axis; the parts to keep cover `length` without overlap."""
    side = min(side, length)
    kept = 0
    while kept < length:
        start = min(max(kept - margin, 0), length - side)
        stop = start + side
        end = length if stop == length else stop - margin
        yield slice(start, stop), slice(kept, end)
        kept = end


def _times(part: slice, scale: int, origin: int = 0) -> slice:
    return slice((part.start - origin) * scale, (part.stop - origin) * scale)
