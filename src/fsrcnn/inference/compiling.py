"""How the engine in C becomes a library: what compiles it, with what flags, for what processors.

Used where the package is built (setup.py), for the shapes of network that it carries, and where it runs, for
all others. Imports nothing but the standard library, since a build has nothing else.
"""

import hashlib
import logging
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from fsrcnn.errors import InputError
from fsrcnn.files import atomic
from fsrcnn.limits import SCALES
from fsrcnn.system import usable_cores

log = logging.getLogger(__name__)

TIMEOUT = 120  # seconds for the compiler, which takes two
SOURCES = ("native.c", "picture.c", "plane.c")  # in one piece
FLAGS = ("-O3", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread")
FOLDER = Path(__file__).with_name("libraries")  # of those that the package carries


class InstructionSet(NamedTuple):
    """`needs`: what the processor must have, under Linux's names."""

    name: str
    flags: tuple[str, ...]
    needs: frozenset[str] = frozenset()


def _x86(name: str, *needs: str) -> InstructionSet:
    return InstructionSet(name, ("-march=x86-64", *(f"-m{need}" for need in needs)), frozenset(needs))


# By machine, the fastest first.
INSTRUCTION_SETS = {
    "x86_64": (
        _x86("avx512", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"),
        _x86("avx2", "avx2", "fma"),
        _x86("sse2"),
    ),
    "aarch64": (InstructionSet("neon", ()),),
}
# FSRCNN(56, 12, 4), which the released networks are, and the paper's FSRCNN-s.
SHAPES = tuple(
    {"scale": str(scale), "d": d, "s": s, "m": m}
    for d, s, m in (("56", "12", "4"), ("32", "5", "1"))
    for scale in SCALES
)


def instruction_sets() -> tuple[InstructionSet, ...]:
    """Those of this kind of machine, the fastest first; empty where the package carries nothing."""
    machine = platform.machine()
    return INSTRUCTION_SETS.get("aarch64" if machine == "arm64" else machine, ())


def compiler() -> list[str] | None:
    """The C compiler: what the variable CC names, with its arguments, else `cc`; None where there is none."""
    try:
        command = shlex.split(os.environ.get("CC", "")) or ["cc"]
    except ValueError:  # a quotation without its end
        return None
    return command if shutil.which(command[0]) else None


def source() -> bytes:
    """The C source."""
    return b"".join(Path(__file__).with_name(name).read_bytes() for name in SOURCES)


def defines(shape: Mapping[str, str]) -> list[str]:
    """The arguments by which the compiler knows scale, d, s and m."""
    return [f"-D{key.upper()}={value}" for key, value in shape.items()]


def carried_name(shape: Mapping[str, str], instructions: InstructionSet) -> str:
    """The name of a library that the package carries; another source or other flags have another name."""
    recipe = [source(), *map(str.encode, (*FLAGS, *instructions.flags))]
    digest = hashlib.sha256(b"\0".join(recipe)).hexdigest()[:16]
    return "x{scale}-{d}-{s}-{m}-".format_map(shape) + f"{instructions.name}-{digest}.so"


def build(folder: Path = FOLDER) -> list[Path]:
    """Compile all that the package carries for this kind of machine into a folder, and delete older ones.

    What can't be compiled is left out with a warning: the package then needs a compiler where it runs.
    """
    jobs = {
        folder / carried_name(shape, each): (shape, each) for shape in SHAPES for each in instruction_sets()
    }
    for path in folder.glob("*.so"):
        if path not in jobs:
            path.unlink()

    def make(path: Path) -> bool:
        shape, instructions = jobs[path]
        if not path.exists():
            try:
                compile_to(path, shape, instructions.flags)
            except InputError as error:
                log.warning("%s", error)
        return path.exists()

    with ThreadPoolExecutor(usable_cores()) as pool:
        return [path for path, made in zip(jobs, pool.map(make, jobs), strict=True) if made]


def compile_to(path: Path, shape: Mapping[str, str], flags: tuple[str, ...]) -> None:
    """Write the library for a shape of network, with further flags, whole or not at all.

    Raises `InputError` when there is no compiler, it fails, or the file can't be written.
    """
    cc = compiler()
    if cc is None:
        raise InputError("backend native: no C compiler; install gcc or clang, or set CC")
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary, "native.so")
        run([*cc, *FLAGS, *flags, *defines(shape), "-x", "c", "-o", str(made), "-"], source())
        with atomic(path) as target:
            shutil.copyfile(made, target)


def run(command: list[str], text: bytes) -> bytes:
    """What a compiler answers to `text`; raises `InputError` when it fails, or takes longer than TIMEOUT."""
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
