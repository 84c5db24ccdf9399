"""Colour around a network that sees luma alone: split, enlarge the chroma by bicubic, put together.

Chroma is kept as the colour differences B - L and R - L, where L is the grey of the pixel's luma. They are
Cb and Cr but for a constant factor, which bicubic interpolation does not see. All arithmetic is in
float32 and nothing is rounded on the way, so 8-bit and 16-bit images take the same path.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from fsrcnn.data.luma import BLUE, GREEN, RED

BLACK = 16 / 255  # of the network's input, which is Y / 255
RANGE = (RED + GREEN + BLUE) / 256  # from black to white in it


def luma_of_grey(grey: Tensor) -> Tensor:
    """The network's input for grey in 0..1: the luma of R = G = B, about 0.063..0.918."""
    return grey * RANGE + BLACK


def grey_of_luma(y: Tensor) -> Tensor:
    """The inverse of `luma_of_grey`."""
    return (y - BLACK) / RANGE


def split(colours: Tensor) -> tuple[Tensor, Tensor]:
    """RGB (3, h, w) or grey (1, h, w) in 0..1 -> the network's input (h, w) and chroma.

    Chroma is (2, h, w) about 0; that of grey is (0, h, w).
    """
    if len(colours) == 1:
        return luma_of_grey(colours[0]), colours[:0]
    r, g, b = colours
    y = torch.add(BLACK, r, alpha=RED / 256).add_(g, alpha=GREEN / 256).add_(b, alpha=BLUE / 256)
    return y, torch.stack((b, r)) - grey_of_luma(y)


def merge(y: Tensor, chroma: Tensor) -> Tensor:
    """The inverse of `split`, not clamped: (h, w) and (2 or 0, h, w) -> (3 or 1, h, w)."""
    grey = grey_of_luma(y)
    if len(chroma) == 0:
        return grey[None]
    blue, red = chroma
    # Green follows from the other two, as the three differences have no luma.
    green = torch.mul(blue, -BLUE / GREEN).add_(red, alpha=-RED / GREEN)
    return torch.stack((red, green, blue)).add_(grey)


def bicubic(planes: Tensor, scale: int) -> Tensor:
    """(c, h, w) -> (c, h*scale, w*scale) by the cubic of the baseline (a = -1/2, as in Pillow)."""
    if len(planes) == 0:
        return planes.new_empty(0, planes.shape[1] * scale, planes.shape[2] * scale)
    # Without `antialias` torch uses another cubic, a = -3/4.
    return F.interpolate(planes[None], scale_factor=scale, mode="bicubic", antialias=True)[0]
