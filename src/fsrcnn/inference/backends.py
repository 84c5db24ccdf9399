"""One interface to everything that can run the trained network on the CPU.

    upscale = backends.load(network)      # or load(network, "onnxruntime", threads=1)
    large = upscale(y)                    # (N, 1, h, w) float32 -> (N, 1, h*scale, w*scale)

All compute the same function in float32; docs/inference.md compares their speed.
"""

import importlib.util
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fsrcnn.errors import InputError
from fsrcnn.inference import native
from fsrcnn.inference.subpixel import InferenceNetwork
from fsrcnn.network.model import FSRCNN

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


def load(network: FSRCNN, name: str = "auto", threads: int | None = None) -> Backend:
    """Make a backend for `network`; later changes of the network's weights do not reach it.

    `auto` takes the first of native, openvino and eager that is installed and loads: the order of
    their measured speed (docs/inference.md). It takes neither `compiled`, which needs half a minute
    to start (native: a second, the first time only), nor `onnxruntime`, which is slower than eager.

    `network` is on the CPU. `threads` is by default torch's number; for eager and compiled it is
    set for the whole process. Raises `InputError` for an unknown name, or for a backend that is not
    installed.
    """
    installed = available()
    if name == "auto":
        for candidate in (name for name in FASTEST_FIRST if name in installed):
            try:
                return load(network, candidate, threads)
            except InputError as error:
                log.warning("%s; trying the next backend", error)
    if name not in LOADERS:
        raise InputError(f"no backend {name!r}; choose auto, {', '.join(LOADERS)}")
    if name not in installed:
        raise InputError(f"backend {name} is not installed; {INSTALL[name]}")
    run = LOADERS[name](network, threads or torch.get_num_threads())
    return Backend(name, network.scale, run)


def available() -> tuple[str, ...]:
    """The names of the backends that can be loaded on this machine."""
    present = {
        "eager": True,
        "native": os.name == "posix" and native.compiler() is not None,
        "compiled": shutil.which(os.environ.get("CXX") or "g++") is not None,
        "onnxruntime": _importable("onnx", "onnxruntime"),
        "openvino": _importable("onnx", "openvino"),
    }
    return tuple(name for name in LOADERS if present[name])


def _importable(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


def _eager(network: FSRCNN, threads: int) -> Run:
    return _torch(InferenceNetwork(network), threads)


def _compiled(network: FSRCNN, threads: int) -> Run:
    # Dynamic from the start: a new size of image must not compile again.
    options: dict[str, str | int | bool | Callable[..., Any]] = {"freezing": True}
    return _torch(torch.compile(InferenceNetwork(network), dynamic=True, options=options), threads)


def _torch(module: Callable[[torch.Tensor], torch.Tensor], threads: int) -> Run:
    torch.set_num_threads(threads)

    def run(y: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(y)).numpy()

    return run


def _onnxruntime(network: FSRCNN, threads: int) -> Run:
    import onnxruntime

    from fsrcnn.inference.onnx_graph import INPUT, OUTPUT, to_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        to_onnx(network).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda y: session.run([OUTPUT], {INPUT: y})[0]


def _openvino(network: FSRCNN, threads: int) -> Run:
    import openvino

    from fsrcnn.inference.onnx_graph import to_onnx

    core = openvino.Core()
    model = core.read_model(to_onnx(network).SerializeToString())
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # it would choose bfloat16 where the processor has it
    }
    compiled = core.compile_model(model, "CPU", settings)
    return lambda y: compiled(y)[0]


LOADERS: dict[str, Callable[[FSRCNN, int], Run]] = {
    "eager": _eager,
    "native": native.load,
    "compiled": _compiled,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
FASTEST_FIRST = ("native", "openvino", "eager")
INSTALL = {
    "native": "it needs a C compiler: install gcc or clang",
    "compiled": "it needs a C++ compiler: install g++",
    "onnxruntime": "pip install 'fsrcnn[onnx]'",
    "openvino": "pip install 'fsrcnn[openvino]'",
}
