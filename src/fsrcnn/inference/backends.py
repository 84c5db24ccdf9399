"""One interface to everything that can run the trained network, on the CPU but for `cuda`.

    upscale = backends.load(weights)      # or load(weights, "onnxruntime", threads=1)
    large = upscale(y)                    # (N, 1, h, w) float32 -> (N, 1, h*scale, w*scale)

All compute the same function in float32, `cuda` with products of float16; docs/inference.md compares them.
"""

import importlib.util
import logging
import os
import shutil
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from fsrcnn.errors import InputError
from fsrcnn.inference import arrays, cuda, native
from fsrcnn.network.weights import Weights
from fsrcnn.system import usable_cores

log = logging.getLogger(__name__)

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Backend:
    """A network that is ready to run."""

    name: str
    scale: int
    run: Run

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """(N, 1, h, w) luma in 0..1 -> (N, 1, h*scale, w*scale), float32, not clamped.

        Raises `ValueError` for another shape, or for an empty array.
        """
        if y.ndim != 4 or y.shape[1] != 1 or not y.size:
            raise ValueError(f"expected luma of shape (N, 1, h, w), not empty; got {y.shape}")
        return self.run(np.ascontiguousarray(y, np.float32))


def load(weights: Weights, name: str = "auto", threads: int | None = None) -> Backend:
    """Make a backend for a network.

    `auto` takes native, the fastest (docs/inference.md). Where the package carries no library for it and
    there is no compiler, it takes numpy, and logs a warning that says so: the others come with threads that
    a fork does not survive.

    `threads` is by default the number of cores that this process may use; with eager and compiled it is
    torch's number, and one that is given is set for the whole process; numpy has the number of its BLAS, and
    cuda none.
    Raises `InputError` for an unknown name, or for a backend that is not installed.
    """
    if name == "auto":
        try:
            return load(weights, "native", threads)
        except InputError as error:
            log.warning("%s; NumPy runs the network, %s", error, SLOWER)
            return load(weights, "numpy", threads)
    if name not in LOADERS:
        raise InputError(f"no backend {name!r}; choose auto, {', '.join(LOADERS)}")
    if not PRESENT[name]():
        raise InputError(f"backend {name} is not installed; {INSTALL[name]}")
    return Backend(name, weights.scale, LOADERS[name](weights, threads))


def available(besides: Collection[str] = ()) -> tuple[str, ...]:
    """The names of the backends that can be loaded on this machine; those of `besides` are not looked for."""
    return tuple(name for name in LOADERS if name not in besides and PRESENT[name]())


def _importable(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


def _native(weights: Weights, threads: int | None) -> Run:
    return native.load(weights, threads or usable_cores())


def _numpy(weights: Weights, threads: int | None) -> Run:
    return arrays.load(weights)


def _eager(weights: Weights, threads: int | None) -> Run:
    from fsrcnn.inference import subpixel

    return subpixel.load(weights, threads)


def _compiled(weights: Weights, threads: int | None) -> Run:
    from fsrcnn.inference import subpixel

    return subpixel.load(weights, threads, compiled=True)


def _onnxruntime(weights: Weights, threads: int | None) -> Run:
    import onnxruntime

    from fsrcnn.inference.onnx_graph import INPUT, OUTPUT, to_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    session = onnxruntime.InferenceSession(
        to_onnx(weights).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda y: session.run([OUTPUT], {INPUT: y})[0]


def _openvino(weights: Weights, threads: int | None) -> Run:
    # Without its telemetry, which looks up a host and writes into the home folder.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    from fsrcnn.inference.onnx_graph import to_onnx

    core = openvino.Core()
    model = core.read_model(to_onnx(weights).SerializeToString())
    settings = {
        "INFERENCE_NUM_THREADS": threads or usable_cores(),
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # it would choose bfloat16 where the processor has it
    }
    compiled = core.compile_model(model, "CPU", settings)
    return lambda y: compiled(y)[0]


def _cuda(weights: Weights, threads: int | None) -> Run:
    return cuda.load(weights)


LOADERS: dict[str, Callable[[Weights, int | None], Run]] = {
    "eager": _eager,
    "native": _native,
    "numpy": _numpy,
    "compiled": _compiled,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "cuda": _cuda,
}
# Each asked for itself: to look for a graphics processor takes a while, and memory of it.
PRESENT: dict[str, Callable[[], bool]] = {
    "eager": lambda: _importable("torch"),
    "native": lambda: native.available(),
    "numpy": lambda: True,
    "compiled": lambda: _importable("torch") and shutil.which(os.environ.get("CXX") or "g++") is not None,
    "onnxruntime": lambda: _importable("onnx", "onnxruntime"),
    "openvino": lambda: _importable("onnx", "openvino"),
    "cuda": lambda: cuda.available(),
}
SLOWER = "some ten times slower"
INSTALL = {
    "native": "it needs a C compiler: install gcc or clang",
    "eager": "pip install 'fsrcnn[train]'",
    "compiled": "it needs a C++ compiler, g++, and torch: pip install 'fsrcnn[train]'",
    "onnxruntime": "pip install 'fsrcnn[onnx]'",
    "openvino": "pip install 'fsrcnn[openvino]'",
    "cuda": "it needs an NVIDIA processor of 2020 or later, its driver, and pip install 'fsrcnn[cuda]'",
}
