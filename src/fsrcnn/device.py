"""Which device a run uses, how to wait for it, and what memory it used.

What is said here of a `Device` holds for either framework; MindSpore's is in `mindspore.device`.
"""

import sys
from typing import Literal, overload

import torch

from fsrcnn.errors import InputError
from fsrcnn.mindspore import device as mindspore_device
from fsrcnn.mindspore.device import MindSporeDevice
from fsrcnn.settings import DeviceName, Framework
from fsrcnn.system import processor_name

Device = torch.device | MindSporeDevice
INSTALL = {
    "cuda": "a CUDA build of torch and an NVIDIA driver",
    "npu": "torch_npu and the Ascend CANN toolkit",
    "mps": "a macOS build of torch on Apple silicon",
}
BEST_FIRST: tuple[DeviceName, ...] = ("cuda", "npu", "mps")


def is_available(name: str) -> bool:
    """Whether torch can use the device `name` on this machine."""
    if name == "cpu":
        return True
    if name == "npu":
        try:
            import torch_npu  # noqa: F401  # registers torch.npu
        except ImportError:
            return False
    backend = {"mps": torch.backends.mps}.get(name, getattr(torch, name, None))
    return backend is not None and bool(backend.is_available())


@overload
def choose(name: DeviceName, framework: Literal["torch"] = "torch") -> torch.device: ...
@overload
def choose(name: DeviceName, framework: Framework) -> Device: ...
def choose(name: DeviceName, framework: Framework = "torch") -> Device:
    """The device of that name; "auto" takes the first of cuda, npu, mps that is there, else the CPU.

    MindSpore is bound to its device for the whole process. Raises `InputError` that says what to
    install when the named device, or the framework, is not there.
    """
    if framework == "mindspore":
        return mindspore_device.choose(name)
    if name == "auto":
        name = next((n for n in BEST_FIRST if is_available(n)), "cpu")
    elif not is_available(name):
        raise InputError(
            f"params.yaml: device: {name} is not available to torch on this machine; "
            f"install {INSTALL[name]}, or set device to auto or cpu"
        )
    return torch.device(name)


def of_tensors(device: Device) -> torch.device:
    """Where torch's tensors are: with MindSpore, which copies what it needs, in main memory."""
    return device if isinstance(device, torch.device) else torch.device("cpu")


def synchronize(device: Device) -> None:
    """Wait until everything queued on the device has finished."""
    if device.type == "cpu":
        return
    if isinstance(device, MindSporeDevice):
        device.synchronize()
    else:
        torch.get_device_module(device).synchronize()


def description(device: Device) -> str:
    """A name a person recognises, such as "AMD EPYC 9B14" or "NVIDIA H100 80GB HBM3"."""
    if isinstance(device, MindSporeDevice):
        return device.description()
    if device.type in ("cpu", "mps"):
        return processor_name()
    return str(torch.get_device_module(device).get_device_name(device))


def peak_memory(device: Device) -> int:
    """The most bytes that this process held so far: of the device's memory, or of main memory on a CPU."""
    if device.type in ("cpu", "mps"):
        import resource  # Windows has none, and is told so in one line before it gets here

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if isinstance(device, MindSporeDevice):
        return device.peak_memory()
    return int(torch.get_device_module(device).max_memory_allocated(device))


def framework_version(device: Device) -> tuple[Framework, str]:
    """The framework that the device belongs to, and its version."""
    if isinstance(device, MindSporeDevice):
        return "mindspore", device.version()
    return "torch", torch.__version__
