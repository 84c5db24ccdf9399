"""SOAP's step by soap.cu on a graphics processor: one launch in place of two hundred."""

from pathlib import Path

import numpy as np
import torch

from fsrcnn.compilers import nvrtc
from fsrcnn.errors import InputError, one_line
from fsrcnn.torch.soap_kernel import Numbers

THREADS = 1024  # of a block
FEWEST = 4  # rows of a matrix in a block's room, beside which something else lies there


class PresentStream:
    """The stream that torch has at present, by the protocol that other libraries of CUDA ask for one."""

    def __cuda_stream__(self) -> tuple[int, int]:
        """Version of the protocol, and the stream's handle."""
        return 0, torch.cuda.current_stream().cuda_stream


class CudaStep:
    """The step that `CompiledSOAP` takes, for parameters on the current CUDA device."""

    def __init__(self, device: torch.device) -> None:
        """Compile for the device. Raises `InputError` where that isn't possible."""
        self._device = device
        try:
            from cuda.core import LaunchConfig, launch

            source = Path(__file__).with_name("soap.cu").read_text()
            self._kernel = nvrtc.kernels(source, ("step",), (f"THREADS={THREADS}",))["step"]
            self._stream = nvrtc.current_device().create_stream(PresentStream())
        except Exception as failure:  # of the driver, the compiler, or a library that is not there
            raise InputError(f"{one_line(failure)}; pip install 'fsrcnn[cuda]'") from failure
        self._launch, self._config = launch, LaunchConfig

    def __call__(self, table: np.ndarray, most: int, numbers: Numbers) -> None:
        """Enqueue the step."""
        is_to_refresh, *others = numbers
        most = max(most, FEWEST)
        there = torch.from_numpy(table.view(np.uint8)).to(self._device, non_blocking=True)
        room = torch.empty(3 * len(table) * most**2, device=self._device)
        self._launch(
            self._stream,
            self._config(grid=(len(table), 1, 1), block=THREADS),
            self._kernel,
            there.data_ptr(),
            room.data_ptr(),
            np.int32(most),
            np.int32(is_to_refresh),
            *(np.float32(number) for number in others),
        )
