"""The network's numbers as GLSL: channels four at a time.

A layer's channels are quads: vectors of four, the last one filled up with zeros. A matrix of weights times a
quad is what a graphics processor is fastest with.
"""

from collections.abc import Sequence

import numpy as np

from fsrcnn.network.weights import Array

QUAD = 4


def quads(channels: int) -> list[slice]:
    """The channels of each quad."""
    return [slice(first, first + QUAD) for first in range(0, channels, QUAD)]


def filled(array: Array, axes: int) -> Array:
    """The array with zeros appended to its first axes, one or two, so that they are multiples of four."""
    return np.pad(array, [(0, -size % QUAD if axis < axes else 0) for axis, size in enumerate(array.shape)])


def vector(values: Array) -> str:
    """A constant of two, three or four components."""
    return f"vec{len(values)}({_numbers(values)})"


def product(weight: Array, values: Sequence[str]) -> str:
    """A matrix (rows, 4n) times n quads; rows is three or four. Empty where all of it is zero."""
    kind = "mat4" if len(weight) == QUAD else f"mat4x{len(weight)}"
    parts = [(weight[:, quad], value) for quad, value in zip(quads(weight.shape[1]), values, strict=True)]
    return " + ".join(f"{kind}({_numbers(part.T.ravel())}) * {value}" for part, value in parts if part.any())


def prelu(value: str, slope: Array) -> str:
    """The PReLU of a quad, with a slope (4,) for each channel."""
    return f"max({value}, 0.0) + {vector(slope)} * min({value}, 0.0)"


def _numbers(values: Array) -> str:
    return ", ".join(f"{value:.6g}" for value in values.tolist())
