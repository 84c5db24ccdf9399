"""The scales there are."""

from typing import Literal, get_args

Scale = Literal[2, 3, 4]
SCALES: tuple[int, ...] = get_args(Scale)
