"""Which networks there are: the scales, the released families, and the bounds of d, s and m."""

from typing import Literal, get_args

Scale = Literal[2, 3, 4]
SCALES: tuple[int, ...] = get_args(Scale)
# Trained on clean pictures; on what JPEG and other reductions leave; on that too, but FSRCNN-s.
Family = Literal["clean", "photo", "photo-s"]
FAMILIES: tuple[Family, ...] = get_args(Family)
SMALL = 32, 5, 1  # d, s and m of the paper's FSRCNN-s
WIDEST, DEEPEST = 1024, 64  # the largest d and s, the largest m


def network_name(scale: int, family: str) -> str:
    """What a family's network of a scale is called in file names: "x4", "photo-x4", "photo-s-x4"."""
    return f"x{scale}" if family == "clean" else f"{family}-x{scale}"
