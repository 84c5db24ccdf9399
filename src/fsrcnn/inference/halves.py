"""The layers for products of float16: what rounding takes is given back where that costs no time."""

import numpy as np
from numpy.typing import NDArray

from fsrcnn.inference.arrays import prelu
from fsrcnn.network.weights import Array, Weights

WIDEST = 16  # channels of a narrow layer
RESTS = 4  # of them
LEVELS = np.linspace(0, 1, 11, dtype=np.float32)  # of luma


def layers(weights: Weights) -> list[tuple[Array, Array, Array]]:
    """`Weights.convolutions`, narrow layers `WIDEST` channels wide, all but the first in float16's values.

    What rounded weights lose of flat pictures, on average over `LEVELS`, is in the bias. Where a narrow
    layer leaves room, its last `RESTS` channels are copies of those whose rounding costs most: a kernel
    gives in them what the halves of the first lack, and the next layer weighs both alike.
    """
    made = weights.convolutions()
    inputs = _flat(weights)
    for i, (weight, bias, slope) in enumerate(made[1:], start=1):
        half = as_halves(weight)
        lost = (weight - half).sum((2, 3)) @ inputs[i]
        made[i] = half, bias + lost.mean(1), slope
    for i in range(1, len(made) - 1):
        (weight, bias, slope), (following, following_bias, following_slope) = made[i], made[i + 1]
        index = np.minimum(np.arange(WIDEST), weights.s)
        if weights.s + RESTS <= WIDEST:
            cost = (inputs[i + 1] ** 2).sum(1) * (following**2).sum((0, 2, 3))
            index[-RESTS:] = np.argsort(-cost)[:RESTS]
        made[i] = _taken(weight, index), _taken(bias, index), _taken(slope, index)
        following = _taken(following.swapaxes(0, 1), index).swapaxes(0, 1)
        made[i + 1] = following, following_bias, following_slope
    return made


def as_halves(weight: Array) -> Array:
    """Kernels (out, in, k, k) as float16 has them, each tap rounded with the error of those before it.

    So a kernel's sum stays, and what it makes of the smooth parts of a picture.
    """
    taps = np.moveaxis(weight.reshape(*weight.shape[:2], -1), -1, 0)
    halves, error = np.empty_like(taps), np.zeros_like(taps[0])
    for tap, half in zip(taps, halves, strict=True):
        half[...] = (tap + error).astype(np.float16)
        error += tap - half
    return np.moveaxis(halves, 0, -1).reshape(weight.shape)


def _flat(weights: Weights) -> list[Array]:
    """What every layer, the last one too, gets of a flat picture of each of the `LEVELS`: (in, levels)."""
    maps = [LEVELS[None]]
    for weight, bias, slope in weights.convolutions():
        sums = weight.sum((2, 3)) @ maps[-1] + bias[:, None]
        maps.append(prelu(sums, slope[:, None]))
    return maps


def _taken(channels: Array, index: NDArray[np.intp]) -> Array:
    """The channels (n, ...) of an index, in which n stands for zeros."""
    return np.concatenate([channels, np.zeros_like(channels[:1])])[index]
