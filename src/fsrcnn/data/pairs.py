"""Photographs to training and evaluation pairs: augmentation, bicubic reduction, luma.

All resizing is Pillow's bicubic with antialiasing, as in the published data, unless LR is degraded.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from PIL import Image

from fsrcnn.data.degradation import CLEAN, Degradation, degrade
from fsrcnn.data.hdf5 import Luma
from fsrcnn.data.luma import luma
from fsrcnn.errors import InputError

Fit = Literal["resize", "crop"]

SHRINKS = (1.0, 0.9, 0.8, 0.7, 0.6)
ROTATIONS = (0, 90, 180, 270)


def augment(image: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """The 20 variants of section 4.1: five sizes times four rotations, each with its label."""
    for shrink in SHRINKS:
        smaller = image.resize(shrunk_size(*image.size, shrink), Image.Resampling.BICUBIC)
        for angle in ROTATIONS:
            yield f"{shrink} {angle}", smaller.rotate(angle, expand=True)


def shrunk_size(width: int, height: int, shrink: float) -> tuple[int, int]:
    """Width and height of a picture shrunk by one of `SHRINKS`, as the published script rounds them."""
    return max(1, int(width * shrink)), max(1, int(height * shrink))


def make_pair(
    image: Image.Image, scale: int, fit: Fit, degradation: Degradation = CLEAN
) -> tuple[Luma, Luma]:
    """One picture as LR and HR luma, (h, w) and (h*scale, w*scale), float32, about 16..235.

    `fit` says how HR becomes a multiple of the scale: "resize" as in the published files (which
    smooths it a little where a side is not a multiple), "crop" as in the literature.
    Raises `InputError` for a picture with a side shorter than `scale`.
    """
    width, height = image.width // scale, image.height // scale
    if min(width, height) == 0:
        raise InputError(f"{image.width}x{image.height} pixels are too few for x{scale}; remove the picture")
    box = (width * scale, height * scale)
    resized = fit == "resize"
    hr = image.resize(box, Image.Resampling.BICUBIC) if resized else image.crop((0, 0, *box))
    lr = degrade(hr, scale, degradation)
    return luma(np.asarray(lr)), luma(np.asarray(hr))


def resize_luma(y: Luma, height: int, width: int) -> Luma:
    """Bicubic resize of one luma plane, in float32 without rounding or clamping."""
    return np.asarray(Image.fromarray(y).resize((width, height), Image.Resampling.BICUBIC))


def upscale_bicubic(y: Luma, scale: int) -> Luma:
    """The bicubic baseline that every table starts with: (h, w) to (h*scale, w*scale)."""
    return resize_luma(y, y.shape[0] * scale, y.shape[1] * scale)
