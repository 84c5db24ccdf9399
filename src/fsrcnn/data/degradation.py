"""What a picture went through before it is upscaled: reduced by some program, filtered a little, a JPEG.

`CLEAN` is the benchmark's: Pillow's bicubic with antialiasing and nothing else. `random_photo` draws what
people's pictures went through, to train on; `GRID` are fixed ones, to score networks by.
"""

import io
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

Reduction = Literal["bicubic", "lanczos", "area", "bilinear", "aliased bicubic", "aliased bilinear"]

_ANTIALIASED = {
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
}
_ALIASED = {"aliased bicubic": Image.Resampling.BICUBIC, "aliased bilinear": Image.Resampling.BILINEAR}


class Degradation(NamedTuple):
    """One way from HR to LR, in the order of the fields."""

    reduction: Reduction = "bicubic"
    blur: float = 0.0  # standard deviation of a Gaussian, in LR pixels; below 0, sharpening by as much
    quality: int | None = None  # of libjpeg, 1..100; None is no JPEG
    subsampling: int = 2  # of its chroma: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0


CLEAN = Degradation()

GRID = {
    "clean": CLEAN,
    **{f"jpeg{quality}": Degradation(quality=quality) for quality in (95, 85, 75, 50, 30)},
    "area": Degradation("area"),
    "lanczos": Degradation("lanczos"),
}

# What `random_photo` draws from: mostly one reduction, as so small a network pays for each further one with
# quality at the others (docs/recipe.md); those that alias are rare in pictures that people keep.
_SHARES: dict[Reduction, float] = {
    "bicubic": 0.78,
    "lanczos": 0.08,
    "area": 0.1,
    "bilinear": 0.02,
    "aliased bicubic": 0.01,
    "aliased bilinear": 0.01,
}
_FILTERED = 0.03  # of the pictures
_MOST_BLUR = 0.5
_UNCOMPRESSED = 0.2  # of the pictures
_QUALITIES = 35, 95


def random_photo(random: np.random.Generator) -> Degradation:
    """What some picture that people have went through."""
    kinds = list(_SHARES)
    reduction = kinds[random.choice(len(kinds), p=list(_SHARES.values()))]
    is_filtered, is_compressed = random.random() < _FILTERED, random.random() >= _UNCOMPRESSED
    blur, quality = random.uniform(-_MOST_BLUR, _MOST_BLUR), int(random.integers(*_QUALITIES, endpoint=True))
    return Degradation(
        reduction,
        float(blur) if is_filtered else 0.0,
        quality if is_compressed else None,
        int(random.choice([0, 2])),
    )


def degrade(hr: Image.Image, scale: int, degradation: Degradation = CLEAN) -> Image.Image:
    """LR of a picture, RGB or grey, whose sides are multiples of the scale: as large by 1/scale."""
    size = hr.width // scale, hr.height // scale
    if degradation.reduction in _ANTIALIASED:
        lr = hr.resize(size, _ANTIALIASED[degradation.reduction])
    else:
        # Interpolated between the pixels around the centre of each LR pixel; the others are not seen.
        matrix = (scale, 0, 0, 0, scale, 0)
        lr = hr.transform(size, Image.Transform.AFFINE, matrix, _ALIASED[degradation.reduction])
    if degradation.blur > 0:
        lr = lr.filter(ImageFilter.GaussianBlur(degradation.blur))
    elif degradation.blur < 0:
        lr = lr.filter(ImageFilter.UnsharpMask(radius=1, percent=round(-100 * degradation.blur), threshold=0))
    if degradation.quality is None:
        return lr
    file = io.BytesIO()
    lr.save(file, "JPEG", quality=degradation.quality, subsampling=degradation.subsampling)
    return Image.open(file, formats=["JPEG"]).convert(hr.mode)
