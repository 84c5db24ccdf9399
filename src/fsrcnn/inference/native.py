"""The whole network and the colour around it in C: a library that the package carries, or one compiled here.

The package carries libraries for the shapes of the released networks, one for each instruction set; the best
that this processor has is taken. For another shape, or where the package was built without a compiler, the
machine's C compiler makes one for this very processor, which is kept. Needs POSIX threads and GCC or Clang.
"""

import ctypes
import os
from pathlib import Path

from fsrcnn.compilers import compiler
from fsrcnn.errors import InputError
from fsrcnn.inference import compiling
from fsrcnn.inference.engine import Engine
from fsrcnn.network.weights import Weights
from fsrcnn.system import processor_flags


def available() -> bool:
    """Whether there are libraries for this kind of machine, or a compiler for them."""
    return os.name == "posix" and (compiler.command() is not None or any(compiling.FOLDER.glob("*.so")))


def load(network: Weights, threads: int) -> Engine:
    """The network, ready to run in so many threads.

    Raises `InputError` when the package carries no library for it and there is no compiler, it fails, or the
    cache can't be used.
    """
    path = _carried(network)
    if path is None:
        try:
            path = compiler.library(f"x{network.scale}", compiling.source(), network.shape)
        except InputError as error:
            shape = "FSRCNN({d}, {s}, {m}) at x{scale}".format_map(network.shape)
            raise InputError(f"backend native: made without {shape}: {error}") from None
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise InputError(f"backend native: {path} can't be loaded; set XDG_CACHE_HOME ({error})") from None
    return Engine(library, network, threads)


def _carried(network: Weights) -> Path | None:
    """The best library of the package that fits the network and this processor."""
    names = {path.name for path in compiling.FOLDER.glob("*.so")}
    flags = processor_flags() if names else set()
    for instructions in compiling.instruction_sets():
        name = compiling.carried_name(network.shape, instructions)
        if name in names and instructions.needs <= flags:
            return compiling.FOLDER / name
    return None
