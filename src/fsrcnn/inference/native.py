"""The whole network and the colour around it in C: a library that the package carries, or one compiled here.

The package carries libraries for the shapes of the released networks, one for each instruction set; the best
that this processor has is taken. For another shape, or where the package was built without a compiler, the
machine's C compiler makes one for this very processor (about two seconds) and it is kept in
`$XDG_CACHE_HOME/fsrcnn`, by default `~/.cache/fsrcnn`. Its name holds a digest of its source, its shape, the
compiler and the processor's instruction set, and one of its contents: a file that was cut or changed is made
again, since to load it would end the process. Needs POSIX threads and GCC or Clang.
"""

import ctypes
import hashlib
import os
import tempfile
from pathlib import Path

from fsrcnn.errors import InputError
from fsrcnn.files import atomic, sha256
from fsrcnn.inference import compiling
from fsrcnn.inference.engine import Engine
from fsrcnn.network.weights import Weights
from fsrcnn.system import processor_flags

THIS_PROCESSOR = ("-march=native",)


def available() -> bool:
    """Whether there are libraries for this kind of machine, or a compiler for them."""
    return os.name == "posix" and (compiling.compiler() is not None or any(compiling.FOLDER.glob("*.so")))


def load(network: Weights, threads: int) -> Engine:
    """The network, ready to run in so many threads.

    Raises `InputError` when the package carries no library for it and there is no compiler, it fails, or the
    cache can't be used.
    """
    path = _carried(network) or _compiled(network)
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


def _compiled(network: Weights) -> Path:
    """The library from the cache, or made now."""
    cc = compiling.compiler()
    if cc is None:
        shape = "FSRCNN({d}, {s}, {m}) at x{scale}".format_map(network.shape)
        raise InputError(f"backend native: made without {shape}, and no C compiler; install gcc or clang")
    # The predefined macros tell the compiler's version and the instruction set apart.
    macros = compiling.run([*cc, *THIS_PROCESSOR, "-dM", "-E", "-x", "c", "-"], b"")
    command = [*cc, *compiling.FLAGS, *compiling.defines(network.shape)]
    recipe = b"\0".join([compiling.source(), macros, *map(str.encode, command)])
    name = f"x{network.scale}-{hashlib.sha256(recipe).hexdigest()[:32]}-"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fsrcnn"
    try:
        for path in cache.glob(f"{name}*.so"):
            if sha256(path)[:32] == path.stem.removeprefix(name):
                return path
            path.unlink()
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, "native.so")
            compiling.compile_to(made, network.shape, THIS_PROCESSOR)
            path = cache / f"{name}{sha256(made)[:32]}.so"
            with atomic(path) as temporary:
                temporary.write_bytes(made.read_bytes())
    except OSError as error:
        raise InputError(f"backend native: {cache} can't be used; set XDG_CACHE_HOME ({error})") from None
    return path
