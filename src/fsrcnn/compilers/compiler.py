"""The machine's C compiler, and the libraries that it has made here.

Used where the package is built (setup.py), and so imports nothing but the standard library, as a build has
nothing else.
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
from collections.abc import Mapping
from pathlib import Path

from fsrcnn.errors import InputError
from fsrcnn.files import atomic, sha256

TIMEOUT = 120  # seconds for the compiler, which takes two
HEADER = Path(__file__).with_name("vectors.h")  # which every source includes
FLAGS = ("-O3", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread")
THIS_PROCESSOR = ("-march=native",)


def command() -> list[str] | None:
    """The C compiler: what the variable CC names, with its arguments, else `cc`; None where there is none."""
    try:
        words = shlex.split(os.environ.get("CC", "")) or ["cc"]
    except ValueError:  # a quotation without its end
        return None
    return words if shutil.which(words[0]) else None


def library(name: str, source: bytes, defines: Mapping[str, str], flags: tuple[str, ...] = ()) -> Path:
    """The library of a C source for this very processor: from the cache, or made now (about two seconds).

    The cache is `$XDG_CACHE_HOME/fsrcnn`, by default `~/.cache/fsrcnn`. A file's name begins with `name` and
    holds a digest of source, header, definitions, flags, the compiler and the instruction set, and one of
    its contents: a file that was cut or changed is made again, since to load it would end the process.

    Raises `InputError` when there is no compiler, it fails, or the cache can't be used.
    """
    flags = (*THIS_PROCESSOR, *flags)
    cc = _command()
    # The predefined macros tell the compiler's version and the instruction set apart.
    macros = run([*cc, *THIS_PROCESSOR, "-dM", "-E", "-x", "c", "-"], b"")
    words = [*cc, *flags, *_arguments(defines)]
    name = f"{name}-{digest(source, macros, *map(str.encode, words))[:32]}-"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fsrcnn"
    try:
        for path in cache.glob(f"{name}*.so"):
            if sha256(path)[:32] == path.stem.removeprefix(name):
                return path
            path.unlink()
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, "made.so")
            compile_to(made, source, defines, flags)
            path = cache / f"{name}{sha256(made)[:32]}.so"
            with atomic(path) as temporary:
                temporary.write_bytes(made.read_bytes())
    except OSError as error:
        raise InputError(f"{cache} can't be used; set XDG_CACHE_HOME ({error})") from None
    return path


def load(name: str, source: bytes, defines: Mapping[str, str]) -> ctypes.CDLL:
    """The same, loaded. Raises `InputError` as `library` does, and when it can't be loaded."""
    # Without the flag a root could set errno, and would need the mathematical library.
    path = library(name, source, defines, ("-fno-math-errno",))
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise InputError(f"{path} can't be loaded; set XDG_CACHE_HOME ({error})") from None


def compile_to(path: Path, source: bytes, defines: Mapping[str, str], flags: tuple[str, ...]) -> None:
    """Write the library for a C source, with further flags, whole or not at all.

    Raises `InputError` when there is no compiler, it fails, or the file can't be written.
    """
    cc = _command()
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary, "made.so")
        places = ["-iquote", str(HEADER.parent), "-o", str(made)]
        run([*cc, *FLAGS, *flags, *_arguments(defines), *places, "-x", "c", "-"], source)
        with atomic(path) as target:
            shutil.copyfile(made, target)


def digest(source: bytes, *further: bytes) -> str:
    """The SHA-256, in hexadecimal, of what decides a library: its source, and what is particular to it."""
    parts = [source, HEADER.read_bytes(), *map(str.encode, FLAGS), *further]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _command() -> list[str]:
    cc = command()
    if cc is None:
        raise InputError("no C compiler; install gcc or clang, or set CC")
    return cc


def _arguments(defines: Mapping[str, str]) -> list[str]:
    return [f"-D{key.upper()}={value}" for key, value in defines.items()]


def run(words: list[str], text: bytes) -> bytes:
    """What a compiler answers to `text`; raises `InputError` when it fails, or takes longer than TIMEOUT."""
    pipe = subprocess.PIPE
    try:
        # In a session of its own, so that what a wrapper has started ends with it.
        process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    except OSError as error:
        raise InputError(f"{words[0]} can't be run ({error.strerror})") from None
    with process:
        try:
            out, errors = process.communicate(text, TIMEOUT)
        except subprocess.TimeoutExpired:
            raise InputError(f"{words[0]} did not end in {TIMEOUT} s; set CC") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        message = errors.decode(errors="replace")
        reason = next(iter(re.findall(r"error: .*", message)), message[-200:])
        raise InputError(f"{words[0]} failed: {' '.join(reason.split())}")
    return out
