"""Pictures that are trained on and scored: their figures would say nothing."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrcnn.errors import InputError


class Duplicates:
    """Recognises by its pixels, whatever its file, a picture of the evaluation sets among those to train on.

    Arrays are equal when type, shape and every value are: 8-bit RGB is compared with 8-bit RGB, the luma
    of HDF5 files with that of HDF5 files.
    """

    def __init__(self) -> None:
        self._evaluated: dict[str, str] = {}

    def evaluated(self, pixels: NDArray[Any], name: str) -> None:
        """Remember a picture of an evaluation set; `name` is as a person knows it."""
        self._evaluated[_digest(pixels)] = name

    def trained(self, pixels: NDArray[Any], name: str) -> None:
        """Raises `InputError` when this picture was seen in an evaluation set."""
        other = self._evaluated.get(_digest(pixels))
        if other is not None:
            raise InputError(
                f"{name}, to train on, is the same picture as {other}, to evaluate on; take it out of one"
            )


def _digest(pixels: NDArray[Any]) -> str:
    about = f"{pixels.dtype} {pixels.shape} ".encode()
    return hashlib.sha256(about + np.ascontiguousarray(pixels).tobytes()).hexdigest()
