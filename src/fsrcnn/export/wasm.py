"""The native engine as WebAssembly, for the page: compiled for the released shape, or now for a larger one.

    pip install ziglang==0.17.1
    python -m fsrcnn.export.wasm    # after a change of native.c, picture.c, vectors.h or page/engine.c

writes the compiled files into the package, with the digest of what they were made of.
"""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from fsrcnn.errors import InputError, one_line
from fsrcnn.files import atomic
from fsrcnn.limits import SCALES
from fsrcnn.network.weights import Array, Weights, shapes

D, S, M = 56, 12, 4  # the shape that is compiled into the package: that of the released networks
COMPILER = "ziglang 0.17.1"  # another one makes other bytes
FLAGS = (
    *(
        "-target",
        "wasm32-freestanding",
        "-mcpu=generic+simd128",
        "-O3",
        "-ffp-contract=fast",
        "-nostdlib",
        "-s",
    ),
    *("-Wl,--no-entry", "-Wl,--export=upscale_rgb", "-Wl,--export=calloc", "-Wl,--export=free"),
)
MAX_GROUP = 6  # native.c's, for vectors of 4
PAGE = files("fsrcnn.export") / "page"
NATIVE = files("fsrcnn.inference")
SOURCES = (
    files("fsrcnn.compilers") / "vectors.h",
    *(NATIVE / name for name in ("native.c", "picture.c")),
    *(PAGE / name for name in ("engine.c", "include/pthread.h", "include/stdlib.h", "include/string.h")),
)


def fitted(network: Weights) -> tuple[Weights, bytes]:
    """An equal network, and the engine that runs it.

    A network that is no larger than the released ones is filled up to their shape with channels of zeros and
    with mapping layers that change nothing. Raises `InputError` for a larger one where ziglang is missing.
    """
    d, s, m = network.d, network.s, network.m
    if d <= D and s <= S and m <= M:
        return _filled_up(network), (PAGE / f"x{network.scale}.wasm").read_bytes()
    if importlib.util.find_spec("ziglang") is None:
        raise InputError(
            f"FSRCNN({d}, {s}, {m}) is larger than what the page's engine is compiled for, "
            f"FSRCNN({D}, {S}, {M}); pip install ziglang, which compiles another"
        )
    return network, compiled(network.scale, d, s, m)


def compiled(scale: int, d: int, s: int, m: int) -> bytes:
    """The engine for one shape of network, made now. Raises `InputError` when the compiler fails."""
    shape = [f"-DSCALE={scale}", f"-DD={d}", f"-DS={s}", f"-DM={m}"]
    with as_file(files("fsrcnn")) as package, tempfile.TemporaryDirectory() as folder:
        target, page = Path(folder, "engine.wasm"), package / "export/page"
        quoted = ["-iquote", package / "compilers", "-iquote", package / "inference"]
        places = ["-isystem", page / "include", *quoted, "-o", target, page / "engine.c"]
        done = subprocess.run(
            [sys.executable, "-m", "ziglang", "cc", *FLAGS, *shape, *map(str, places)],
            env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise InputError(f"ziglang can't compile the page's engine: {one_line(done.stderr)}")
        return target.read_bytes()


def record() -> dict[str, object]:
    """What the engines in the package are made of: compiler, flags, shape, and the digest of each source."""
    digests = {source.name: hashlib.sha256(source.read_bytes()).hexdigest() for source in SOURCES}
    return {"compiler": COMPILER, "flags": " ".join(FLAGS), "shape": [D, S, M], "sources": digests}


def _filled_up(network: Weights) -> Weights:
    """The same function as a network of the compiled shape."""
    arrays: dict[str, Array] = {}
    for layer in range(network.m, M):
        weight = np.zeros((S, S, 3, 3), np.float32)
        weight[range(S), range(S), 1, 1] = 1
        arrays[f"mapping.{2 * layer}.weight"] = weight
        arrays[f"mapping.{2 * layer}.bias"] = np.zeros(S, np.float32)
        arrays[f"mapping.{2 * layer + 1}.weight"] = np.ones(S, np.float32)
    for name, array in network.arrays.items():
        full = shapes(D, S, M)[name]
        arrays[name] = np.pad(array, [(0, size - had) for size, had in zip(full, array.shape, strict=True)])
    return replace(network, d=D, s=S, m=M, arrays=arrays)


def main() -> None:
    """Compile the engines of the package anew."""
    made = {f"x{scale}.wasm": compiled(scale, D, S, M) for scale in SCALES}
    digests = {name: hashlib.sha256(engine).hexdigest() for name, engine in made.items()}
    made["engine.json"] = json.dumps({**record(), "engines": digests}, indent=2).encode() + b"\n"
    with as_file(PAGE) as page:
        for name, content in made.items():
            with atomic(page / name) as temporary:
                temporary.write_bytes(content)


if __name__ == "__main__":
    main()
