"""The whole network and the colour around it in C, compiled for this processor: `native.c` and `picture.c`.

The machine's C compiler makes it once for each shape of network (about a second); the library is
kept in `$XDG_CACHE_HOME/fsrcnn`, by default `~/.cache/fsrcnn`. Its name holds a digest of its source, its
shape, the compiler and the processor's instruction set, and one of its contents: a file that was cut or
changed is made again, since to load it would end the process. Needs POSIX threads and GCC or Clang.
"""

import ctypes
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

from fsrcnn.errors import InputError
from fsrcnn.files import atomic, sha256
from fsrcnn.inference.engine import Engine
from fsrcnn.network.weights import Weights

TIMEOUT = 120  # seconds for the compiler, which takes one
SOURCES = ("native.c", "picture.c")  # in one piece
FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread")


def compiler() -> list[str] | None:
    """The C compiler: what the variable CC names, with its arguments, else `cc`; None where there is none."""
    try:
        command = shlex.split(os.environ.get("CC", "")) or ["cc"]
    except ValueError:  # a quotation without its end
        return None
    return command if shutil.which(command[0]) else None


def load(network: Weights, threads: int) -> Engine:
    """The network, ready to run in so many threads.

    Raises `InputError` when there is no compiler, it fails, or the cache can't be used.
    """
    path = _library(network)
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise InputError(f"backend native: {path} can't be loaded; set XDG_CACHE_HOME ({error})") from None
    return Engine(library, network, threads)


def _library(network: Weights) -> Path:
    """The compiled library, from the cache or made now."""
    cc = compiler()
    if cc is None:
        raise InputError("backend native: no C compiler; install gcc or clang, or set CC")
    source = b"".join(files("fsrcnn.inference").joinpath(name).read_bytes() for name in SOURCES)
    shape = [f"-D{key.upper()}={value}" for key, value in network.shape.items()]
    command = [*cc, *FLAGS, *shape]
    # The predefined macros tell the compiler's version and the instruction set apart.
    macros = _run([*cc, "-march=native", "-dM", "-E", "-x", "c", "-"], b"")
    recipe = hashlib.sha256(b"\0".join([source, macros, *map(str.encode, command)])).hexdigest()[:32]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fsrcnn"
    name = f"x{network.scale}-{recipe}-"
    try:
        for path in cache.glob(f"{name}*.so"):
            if sha256(path)[:32] == path.stem.removeprefix(name):
                return path
            path.unlink()
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, "native.so")
            _run([*command, "-x", "c", "-o", str(made), "-"], source)
            path = cache / f"{name}{sha256(made)[:32]}.so"
            with atomic(path) as temporary:
                shutil.copyfile(made, temporary)
    except OSError as error:
        raise InputError(f"backend native: {cache} can't be used; set XDG_CACHE_HOME ({error})") from None
    return path


def _run(command: list[str], text: bytes) -> bytes:
    """What the compiler answers to `text`."""
    pipe = subprocess.PIPE
    try:
        # In a session of its own, so that what a wrapper has started ends with it.
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    except OSError as error:
        raise InputError(f"backend native: {command[0]} can't be run ({error.strerror})") from None
    with process:
        try:
            out, errors = process.communicate(text, TIMEOUT)
        except subprocess.TimeoutExpired:
            raise InputError(f"backend native: {command[0]} did not end in {TIMEOUT} s; set CC") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        message = errors.decode(errors="replace")
        reason = next(iter(re.findall(r"error: .*", message)), message[-200:])
        raise InputError(f"backend native: {command[0]} failed: {' '.join(reason.split())}")
    return out
