"""The libraries of the engine in C that the package carries: of what shapes, for what processors.

Used where the package is built (setup.py), and so imports nothing but the standard library, as a build has
nothing else.
"""

import logging
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from fsrcnn.compilers import compiler
from fsrcnn.errors import InputError
from fsrcnn.limits import SCALES
from fsrcnn.system import usable_cores

log = logging.getLogger(__name__)

SOURCES = ("native.c", "picture.c", "plane.c")  # in one piece
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


def source() -> bytes:
    """The C source."""
    return b"".join(Path(__file__).with_name(name).read_bytes() for name in SOURCES)


def carried_name(shape: Mapping[str, str], instructions: InstructionSet) -> str:
    """The name of a library that the package carries; another source or other flags have another name."""
    digest = compiler.digest(source(), *map(str.encode, instructions.flags))[:16]
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
                compiler.compile_to(path, source(), shape, instructions.flags)
            except InputError as error:
                log.warning("the engine: %s", error)
        return path.exists()

    with ThreadPoolExecutor(usable_cores()) as pool:
        return [path for path, made in zip(jobs, pool.map(make, jobs), strict=True) if made]
