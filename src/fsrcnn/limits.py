"""Which networks there are: the scales, and the bounds of d, s and m."""

from typing import Literal, get_args

Scale = Literal[2, 3, 4]
SCALES: tuple[int, ...] = get_args(Scale)
WIDEST, DEEPEST = 1024, 64  # the largest d and s, the largest m
