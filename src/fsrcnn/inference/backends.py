"""One interface to everything that can run the trained network on the CPU.

    upscale = backends.load(weights)      # or load(weights, "onnxruntime", threads=1)
    large = upscale(y)                    # (N, 1, h, w) float32 -> (N, 1, h*scale, w*scale)

All compute the same function in float32; docs/inference.md compares their speed.
"""

import importlib.util
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fsrcnn.errors import InputError
from fsrcnn.inference import native
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

    `auto` takes the first of native, openvino and eager that is installed and loads: the order of
    their measured speed (docs/inference.md). It takes neither `compiled`, which needs half a minute
    to start (native: a second, the first time only), nor `onnxruntime`, which is slower than eager.

    `threads` is by default the number of cores that this process may use; with eager and compiled it is
    torch's number, and one that is given is set for the whole process. Raises `InputError` for an unknown
    name, or for a backend that is not installed.
    """
    installed = available()
    if name == "auto":
        for candidate in (name for name in FASTEST_FIRST if name in installed):
            try:
                return load(weights, candidate, threads)
            except InputError as error:
                log.warning("%s; trying the next backend", error)
        raise InputError("no backend runs here; install a C compiler (gcc or clang), or pip install torch")
    if name not in LOADERS:
        raise InputError(f"no backend {name!r}; choose auto, {', '.join(LOADERS)}")
    if name not in installed:
        raise InputError(f"backend {name} is not installed; {INSTALL[name]}")
    return Backend(name, weights.scale, LOADERS[name](weights, threads))


def available() -> tuple[str, ...]:
    """The names of the backends that can be loaded on this machine."""
    present = {
        "eager": _importable("torch"),
        "native": os.name == "posix" and native.compiler() is not None,
        "compiled": _importable("torch") and shutil.which(os.environ.get("CXX") or "g++") is not None,
        "onnxruntime": _importable("onnx", "onnxruntime"),
        "openvino": _importable("onnx", "openvino"),
    }
    return tuple(name for name in LOADERS if present[name])


def _importable(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


def _native(weights: Weights, threads: int | None) -> Run:
    return native.load(weights, threads or usable_cores())


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


LOADERS: dict[str, Callable[[Weights, int | None], Run]] = {
    "eager": _eager,
    "native": _native,
    "compiled": _compiled,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
FASTEST_FIRST = ("native", "openvino", "eager")
INSTALL = {
    "native": "it needs a C compiler: install gcc or clang",
    "eager": "pip install torch",
    "compiled": "it needs torch and a C++ compiler: install g++",
    "onnxruntime": "pip install 'fsrcnn[onnx]'",
    "openvino": "pip install 'fsrcnn[openvino]'",
}
