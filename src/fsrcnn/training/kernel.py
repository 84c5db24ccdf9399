"""The error of a batch and its gradients by kernel.c and batch.c, compiled here for this training."""

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fsrcnn import compiler
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
        # Without the flag a root could set errno, and would need the mathematical library.
        name = "training-x{scale}".format_map(shape)
        path = compiler.library(name, source, defines, ("-fno-math-errno",))
        try:
            self._library = ctypes.CDLL(str(path))
        except OSError as error:
            raise InputError(f"{path} can't be loaded; set XDG_CACHE_HOME ({error})") from None
        self.parts: int = self._library.most_parts()  # of a batch, whose gradients are summed first
        self._threads = threads
        size = self._library.scratch_size() * threads
        memory = np.zeros(size + ALIGNMENT, np.uint8)
        self._scratch = memory[-memory.ctypes.data % ALIGNMENT :][:size]

    def compute(
        self, parameters: Array, lr: Array, hr: Array, gradients: Array, *, is_root: bool, is_whole: bool
    ) -> Array:
        """The mean squared error of each crop (n,); the gradients of their mean, or that of their roots.

        All are float32 and contiguous: `parameters` (p,) in PyTorch's order, lr (n, side, side) and hr (n,
        side, side, scale^2) in 0..1. `gradients` (parts, p): the first row becomes the result, the others are
        room to work in. Unless `is_whole`, only the deconvolution's are computed, and the others are 0.
        """
        errors = np.empty(len(lr), np.float32)
        arrays = (parameters, lr, hr, errors, gradients, self._scratch)
        self._library.compute(
            *(ctypes.c_void_p(array.ctypes.data) for array in arrays),
            ctypes.c_long(len(lr)),
            ctypes.c_long(self._threads),
            int(is_root),
            int(is_whole),
        )
        return errors
