"""The trained network in NumPy, for machines with nothing else: no library of the engine, no compiler."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fsrcnn.inference.tiling import receptive_radius, tiled
from fsrcnn.network.weights import Array, Weights

SIDE = 128  # of a window, whose columns of the last layer then take 33 MB


def load(network: Weights) -> Callable[[Array], Array]:
    """A function that maps float32 (N, 1, h, w) to (N, 1, h*scale, w*scale)."""
    margin, scale = receptive_radius(network), network.scale

    def upscale(y: Array) -> Array:
        return np.stack(
            [tiled(lambda part: _window(network, part), image[0], scale, margin, SIDE) for image in y]
        )

    return lambda y: upscale(y)[:, None]


def _window(network: Weights, y: Array) -> Array:
    """(h, w) -> (h*scale, w*scale), in the network's exact sub-pixel form."""
    maps = y[None]
    for weight, bias, slope in network.convolutions():
        maps = _convolution(maps, weight, bias, weight.shape[-1] // 2)
        maps = prelu(maps, slope[:, None, None])
    maps = _convolution(maps, *network.subpixel())
    scale, (height, width) = network.scale, y.shape
    phases = maps.reshape(scale, scale, height, width)
    return phases.transpose(2, 0, 3, 1).reshape(height * scale, width * scale)


def prelu(sums: Array, slope: Array) -> Array:
    """The activation of every layer but the last."""
    return np.maximum(sums, 0) + slope * np.minimum(sums, 0)


def _convolution(maps: Array, weight: Array, bias: Array, before: int) -> Array:
    """(in, h, w) -> (out, h, w); `before` of the k taps of an axis lie before the pixel."""
    kernel = weight.shape[-1]
    around = (before, kernel - 1 - before)
    windows = sliding_window_view(np.pad(maps, ((0, 0), around, around)), (kernel, kernel), axis=(1, 2))
    return np.tensordot(weight, windows, axes=((1, 2, 3), (0, 3, 4))) + bias[:, None, None]
