"""The network on an NVIDIA graphics processor in one pass of fused kernels (`fused.cu`).

Compiled for the processor that is there, in half a second, by the library of NVIDIA's that cuda-core
finds; needs neither torch nor a CUDA toolkit. Products are of float16: luma differs by up to about 1e-3.
Needs compute capability 8.0 (Ampere) or later.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from fsrcnn.compilers import nvrtc
from fsrcnn.errors import InputError, one_line
from fsrcnn.inference.fused import KERNELS, UPSCALERS, Fused
from fsrcnn.network.weights import Weights


def available() -> bool:
    """Whether cuda-core is installed and finds a processor that is new enough."""
    if not importlib.util.find_spec("cuda") or not importlib.util.find_spec("cuda.core"):
        return False
    try:
        return nvrtc.current_device().compute_capability >= nvrtc.OLDEST
    except Exception:  # the driver that is missing, or what it says
        return False


class CudaNetwork:
    """A network on the current device."""

    def __init__(self, weights: Weights) -> None:
        """Compile the kernels and bring the weights to the device.

        Raises `InputError` for a network that the kernels are not made for.
        """
        from cuda.core import LaunchConfig, PinnedMemoryResource, launch

        self._network = Fused(weights)
        self._device = nvrtc.current_device()
        self._config, self._launch, self._pinned = LaunchConfig, launch, PinnedMemoryResource()
        self._kernels = nvrtc.kernels(Fused.source(), KERNELS, self._network.defines)
        self._blocks = self._device.properties.multiprocessor_count * self._room(self._kernels["upscale"])
        self._stream = self._device.create_stream()
        self._content = self._to_device(self._network.content)
        self._stream.sync()

    def run(self, luma: int, shape: tuple[int, int, int], work: int, out: int, stream: Any) -> None:  # noqa: ANN401
        """Enqueue (n, height, width) -> (n, height*scale, width*scale), float32, at addresses of the device.

        `work` has `Fused.workspace` bytes; `stream` is one of cuda-core's.
        """
        launches = self._network.launches(int(self._content.handle), luma, shape, work, out, self._blocks)
        for kernel, grid, threads, shared, arguments in launches:
            config = self._config(grid=grid, block=threads, shmem_size=shared)
            self._launch(stream, config, self._kernels[kernel], *arguments)

    def stream_of(self, owner: Any) -> Any:  # noqa: ANN401
        """Another library's stream, of an object with the protocol `__cuda_stream__`."""
        return self._device.create_stream(owner)

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Contiguous float32 (N, 1, h, w) -> (N, 1, h*scale, w*scale)."""
        n, _, height, width = y.shape
        shape = (n, 1, height * self._network.scale, width * self._network.scale)
        self._device.set_current()
        luma, work, out = (
            self._to_device(y),
            self._device.allocate(Fused.workspace(n, height, width), stream=self._stream),
            self._device.allocate(4 * int(np.prod(shape)), stream=self._stream),
        )
        addresses = (int(buffer.handle) for buffer in (luma, work, out))
        at, between, to = addresses
        self.run(at, (n, height, width), between, to, self._stream)
        result = self._pinned.allocate(out.size, stream=self._stream)
        out.copy_to(result, stream=self._stream)
        self._stream.sync()
        return np.from_dlpack(result).view(np.float32).reshape(shape)

    def _room(self, kernel: Any) -> int:  # noqa: ANN401
        """The blocks of `upscale` a multiprocessor runs at a time, allowed the shared memory they need."""
        from cuda.bindings import driver

        shared = self._network.shared
        key = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        (error,) = driver.cuKernelSetAttribute(
            key, shared, kernel.handle, driver.CUdevice(self._device.device_id)
        )
        if error != driver.CUresult.CUDA_SUCCESS:
            raise InputError(f"backend cuda: {error.name} for {shared >> 10} KiB of shared memory a block")
        return max(1, kernel.occupancy.max_active_blocks_per_multiprocessor(32 * UPSCALERS, shared))

    def _to_device(self, array: np.ndarray) -> Any:  # noqa: ANN401
        staged = self._pinned.allocate(array.nbytes, stream=self._stream)
        self._stream.sync()
        np.from_dlpack(staged)[:] = array.reshape(-1).view(np.int8)
        buffer = self._device.allocate(array.nbytes, stream=self._stream)
        buffer.copy_from(staged, stream=self._stream)
        return buffer


def load(weights: Weights) -> Callable[[np.ndarray], np.ndarray]:
    """A function that maps contiguous float32 (N, 1, h, w) to (N, 1, h*scale, w*scale).

    Raises `InputError` for a network that the kernels are not made for, and with what the driver says.
    """
    try:
        return CudaNetwork(weights)
    except InputError:
        raise
    except Exception as failure:  # of the driver, the compiler, or a library that is not found
        raise InputError(f"backend cuda: {one_line(failure)}; choose another backend") from failure
