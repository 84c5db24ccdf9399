"""The error of a batch and its gradients by kernel.c and batch.c, compiled here for this training."""

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fsrcnn.compilers import compiler
from fsrcnn.errors import InputError

SOURCES = ("kernel.c", "batch.c")  # in one piece
ALIGNMENT = 64  # bytes, of a vector
FLOOR = 1e-6  # of a crop's squared error under a root, whose slope at 0 is infinite
Array = np.ndarray


class Kernel:
    """The gradients for networks of one shape, crops of one side and one loss."""

    def __init__(self, shape: Mapping[str, str], side: int, threads: int) -> None:
        """`shape`: scale, d, s and m. Raises `InputError` when it can't be compiled or loaded."""
        if os.name != "posix":
            raise InputError("it needs POSIX threads")
        defines = {**shape, "side": str(side), "floor": f"{FLOOR}f"}
        source = b"".join(Path(__file__).with_name(name).read_bytes() for name in SOURCES)
        self._library = compiler.load("training-x{scale}".format_map(shape), source, defines)
        self.parts: int = self._library.most_parts()  # of a batch, whose gradients are summed first
        self._threads = threads
        size = self._library.scratch_size() * threads
        memory = np.zeros(size + ALIGNMENT, np.uint8)
        self._scratch = memory[-memory.ctypes.data % ALIGNMENT :][:size]

    def compute(
        self,
        parameters: Array,
        pool: tuple[Array, Array, Array],
        places: Array,
        gradients: Array,
        *,
        is_root: bool,
        is_whole: bool,
    ) -> Array:
        """The mean squared error of each crop (n,); the gradients of their mean, or that of their roots.

        All are contiguous: `parameters` (p,) in PyTorch's order; `pool` of a `PatchPool`: lr (pixels,) and hr
        (pixels, scale^2) in 0..1, and orders (8, scale^2); `places` (n, 4) in it. `gradients` (parts, p): the
        first row becomes the result, the others are room to work in. Unless `is_whole`, only the
        deconvolution's are computed, and the others are 0.
        """
        errors = np.empty(len(places), np.float32)
        arrays = (parameters, *pool, places, errors, gradients, self._scratch)
        self._library.compute(
            *(ctypes.c_void_p(array.ctypes.data) for array in arrays),
            ctypes.c_long(len(places)),
            ctypes.c_long(self._threads),
            int(is_root),
            int(is_whole),
        )
        return errors
