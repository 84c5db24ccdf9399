"""The whole network as one C function, compiled for this processor: `native.c`.

The machine's C compiler makes it once for each shape of network (about a second); the library is
kept in `$XDG_CACHE_HOME/fsrcnn`, by default `~/.cache/fsrcnn`, under the digest of its source, its
shape, the compiler and the processor's instruction set. Needs POSIX threads and GCC or Clang.
"""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np

from fsrcnn.errors import InputError
from fsrcnn.files import atomic
from fsrcnn.inference.subpixel import convolutions
from fsrcnn.network.model import FSRCNN

FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread")


def compiler() -> str | None:
    """The C compiler: what the variable CC names, else `cc`; None where there is none."""
    return shutil.which(os.environ.get("CC") or "cc")


def load(network: FSRCNN, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function that maps contiguous float32 (N, 1, h, w) to (N, 1, h*scale, w*scale).

    Raises `InputError` when there is no compiler, it fails, or the cache can't be used.
    """
    path = _build(network)
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise InputError(f"backend native: {path} can't be loaded; set XDG_CACHE_HOME ({error})") from None
    function = library.upscale
    function.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_long] * 4
    weights = _pack(network, library.max_group())
    scale = network.scale

    def upscale(y: np.ndarray) -> np.ndarray:
        count, _, height, width = y.shape
        out = np.empty((count, 1, height * scale, width * scale), np.float32)
        if function(weights.ctypes.data, y.ctypes.data, out.ctypes.data, count, height, width, threads):
            raise MemoryError("no memory for the network's line buffers")
        return out

    return upscale


def _build(network: FSRCNN) -> Path:
    """The compiled library, from the cache or made now."""
    cc = compiler()
    if cc is None:
        raise InputError("backend native: no C compiler; install gcc or clang, or set CC")
    source = files("fsrcnn.inference").joinpath("native.c").read_bytes()
    shape = [f"-D{name.upper()}={getattr(network, name)}" for name in ("scale", "d", "s", "m")]
    command = [cc, *FLAGS, *shape]
    # The predefined macros tell the compiler's version and the instruction set apart.
    macros = _run([cc, "-march=native", "-dM", "-E", "-x", "c", "-"], b"")
    digest = hashlib.sha256(b"\0".join([source, macros, *map(str.encode, command)])).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fsrcnn"
    path = cache / f"x{network.scale}-{digest[:32]}.so"
    if not path.exists():
        try:
            with atomic(path) as temporary:
                _run([*command, "-x", "c", "-o", str(temporary), "-"], source)
        except OSError as error:
            raise InputError(
                f"backend native: {cache} can't be written; set XDG_CACHE_HOME ({error})"
            ) from None
    return path


def _run(command: list[str], text: bytes) -> bytes:
    result = subprocess.run(command, input=text, capture_output=True)
    if result.returncode:
        errors = result.stderr.decode(errors="replace")
        reason = next(iter(re.findall(r"error: .*", errors)), errors[-200:])
        raise InputError(f"backend native: {command[0]} failed: {' '.join(reason.split())}")
    return result.stdout


def _pack(network: FSRCNN, max_group: int) -> np.ndarray:
    """All parameters in the order in which native.c reads them.

    A convolution's output channels go in equal groups of at most `max_group`, padded with zeros;
    each group is its biases, its slopes and, for every input channel and tap, its weights.
    """
    blocks = []
    for convolution, prelu in convolutions(network):
        weight, bias = (p.detach().numpy() for p in convolution.parameters())
        slope = prelu.weight.detach().numpy()
        rows = np.concatenate([bias[:, None], slope[:, None], weight.reshape(len(weight), -1)], axis=1)
        groups = -(-len(rows) // max_group)
        group = -(-len(rows) // groups)
        padded = np.pad(rows, [(0, groups * group - len(rows)), (0, 0)])
        blocks.append(padded.reshape(groups, group, -1).transpose(0, 2, 1).ravel())
    weight, bias = (p.detach().numpy().ravel() for p in network.deconvolution.parameters())
    return np.concatenate([*blocks, bias, weight], dtype=np.float32)
