"""Luma: Y of 8-bit RGB by ITU-R BT.601, as in the training data.

Y = 16 + (RED R + GREEN G + BLUE B) / 256, about 16..235. The network sees `unit` of it.
"""

import numpy as np
from numpy.typing import NDArray

RED, GREEN, BLUE = 64.738, 129.057, 25.064


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Y of 8-bit RGB (h, w, 3): float32 (h, w), not rounded, about 16..235."""
    r, g, b = (rgb[..., i].astype(np.float32) for i in range(3))
    weighted = np.float32(RED) * r + np.float32(GREEN) * g + np.float32(BLUE) * b
    y: NDArray[np.float32] = np.float32(16) + weighted / np.float32(256)
    return y


def unit(y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Luma as files hold it, 0..255, in the unit that networks see and figures are taken in: 0..1."""
    return y / np.float32(255)


def grey(y: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The 8-bit grey, of equal red, green and blue, whose `luma` is nearest to `y`."""
    levels = (y - np.float32(16)) * np.float32(256 / (RED + GREEN + BLUE))
    return levels.round().clip(0, 255).astype(np.uint8)
