"""A graphics processor and cuda-core's part of it, played by this one (cuda/host.cuh)."""

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

from fsrcnn.inference import fused

HERE = Path(__file__).parent / "cuda"
FUSED, SOAP = "inference/fused.cu", "torch/soap.cu"
KERNELS = {FUSED: fused.KERNELS, SOAP: ("step",)}
LAUNCH = """
extern "C" void launch(const char *name, const int grid[3], int size, void **arguments) {
    %s
}
"""
TYPES = {np.int32: ctypes.c_int32, np.float32: ctypes.c_float, int: ctypes.c_void_p}


@cache
def library(file: str, defines: Sequence[str]) -> ctypes.CDLL:
    """The kernels of a file of the package as a library for this processor. Needs g++ 12 or later."""
    kernels = (files("fsrcnn") / file).read_text()
    calls = [f'if (!std::strcmp(name, "{k}")) run({k}, grid, size, arguments);' for k in KERNELS[file]]
    launch = LAUNCH % "\n".join(calls)
    source = "\n".join(((HERE / "host.cuh").read_text(), kernels, launch))
    # libc has a `step` too, which would be called in place of the kernel.
    command = ["g++", "-O2", "-w", "-std=c++17", "-fPIC", "-shared", "-Wl,-Bsymbolic", "-x", "c++", "-"]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "kernels.so")
        options = [f"-D{define}" for define in defines]
        subprocess.run([*command, *options, "-o", made], input=source, text=True, check=True)
        return ctypes.CDLL(str(made))


def launch(
    file: str, defines: Sequence[str], kernel: str, grid: Sequence[int], threads: int, arguments: Sequence
) -> None:
    """Run a kernel to its end; `arguments` as `fused.Launch` has them."""
    values = [TYPES[type(value)](value) for value in arguments]
    pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
    library(file, tuple(defines)).launch(kernel.encode(), (ctypes.c_int * 3)(*grid), threads, pointers)


class Buffer:
    """Memory; what was not written is NaN."""

    def __init__(self, size: int, **_):
        self.bytes = np.full(size, -1, np.int8)
        self.size, self.handle = size, self.bytes.ctypes.data

    def copy_to(self, other, *, stream):
        other.bytes[:] = self.bytes

    def copy_from(self, other, *, stream):
        self.bytes[:] = other.bytes

    def __dlpack__(self, **options):
        return self.bytes.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.bytes.__dlpack_device__()


class Device:
    """One with two multiprocessors."""

    compute_capability, arch, device_id = (9, 0), "90", 0
    properties = SimpleNamespace(multiprocessor_count=2)

    def set_current(self):
        pass

    def create_stream(self, owner=None):
        return SimpleNamespace(sync=lambda: None)

    def allocate(self, size, *, stream):
        return Buffer(size)


class Program:
    """Asks for what `library` compiles."""

    def __init__(self, source, code_type, options):
        (self.file,) = (file for file in KERNELS if (files("fsrcnn") / file).read_text() in source)
        self.defines = options.define_macro

    def compile(self, kind, name_expressions):
        occupancy = SimpleNamespace(max_active_blocks_per_multiprocessor=lambda threads, shared: 1)
        return SimpleNamespace(
            get_kernel=lambda name: SimpleNamespace(
                name=name, file=self.file, defines=self.defines, handle=None, occupancy=occupancy
            )
        )


def cuda_core(error: str = "CUDA_SUCCESS") -> dict[str, ModuleType]:
    """Modules in place of cuda-core's; `error` is what a kernel that asks for shared memory gets."""
    made = {name: ModuleType(name) for name in ("cuda", "cuda.core", "cuda.bindings")}
    made["cuda.core"].__dict__.update(
        Device=Device,
        PinnedMemoryResource=lambda: SimpleNamespace(allocate=Buffer),
        LaunchConfig=SimpleNamespace,
        ProgramOptions=SimpleNamespace,
        Program=Program,
        launch=lambda stream, config, kernel, *arguments: launch(
            kernel.file, kernel.defines, kernel.name, config.grid, config.block, arguments
        ),
    )
    results = {name: SimpleNamespace(name=name) for name in ("CUDA_SUCCESS", "CUDA_ERROR_INVALID_VALUE")}
    made["cuda.bindings"].driver = SimpleNamespace(
        CUdevice=int,
        CUresult=SimpleNamespace(**results),
        CUfunction_attribute=SimpleNamespace(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES=8),
        cuKernelSetAttribute=lambda *_: (results[error],),
    )
    return made
