"""The geometry of the last layer: its kernel, its strides, and its form as a sub-pixel convolution."""

import numpy as np
from numpy.typing import NDArray

KERNEL = 9
PADDING = 4
NO_TAP = KERNEL * KERNEL


def subpixel_index(scale: int, block: int = 1) -> tuple[NDArray[np.int64], int]:
    """Where each tap of the sub-pixel convolution lies in the 9x9 deconvolution kernel.

    Output row `r` of a block of LR pixels, 0 <= r < block * scale, sums the input rows at `t` from
    the block's first with kernel row `u = r + PADDING - scale*t`, for every t that keeps u in 0..8.

    Returns the flat index ((block * scale)^2, k, k), in which NO_TAP (81) stands for "no tap", and how
    many of the k taps lie before the block.
    """
    side = block * scale
    first, last = -((KERNEL - 1 - PADDING) // scale), (side - 1 + PADDING) // scale
    kernel_row = np.arange(side)[:, None] + PADDING - scale * np.arange(first, last + 1)
    u, v = kernel_row[:, None, :, None], kernel_row[None, :, None, :]
    inside = (u >= 0) & (u < KERNEL) & (v >= 0) & (v < KERNEL)
    index = np.where(inside, u * KERNEL + v, NO_TAP)
    return index.reshape(side * side, *index.shape[2:]), -first
