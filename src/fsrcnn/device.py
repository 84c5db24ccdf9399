"""Which device a run uses, and how to wait for it."""

import platform
import re
from pathlib import Path
from typing import Literal

import torch

from fsrcnn.errors import InputError

DeviceName = Literal["auto", "cpu", "cuda", "mps", "npu"]
INSTALL = {
    "cuda": "a CUDA build of torch and an NVIDIA driver",
    "mps": "a macOS build of torch on Apple silicon",
    "npu": "torch_npu and the Ascend CANN toolkit",
}


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


def choose(name: DeviceName) -> torch.device:
    """The device of that name; "auto" takes the first of cuda, npu, mps that is there, else the CPU.

    Raises `InputError` that says what to install when the named device is not there.
    """
    if name == "auto":
        return torch.device(next((n for n in ("cuda", "npu", "mps") if is_available(n)), "cpu"))
    if not is_available(name):
        raise InputError(
            f"params.yaml: device: {name} is not available on this machine; "
            f"install {INSTALL[name]}, or set device to auto or cpu"
        )
    return torch.device(name)


def synchronize(device: torch.device) -> None:
    """Wait until everything queued on the device has finished."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()


def description(device: torch.device) -> str:
    """A name a person recognises, such as "AMD EPYC 9B14" or "NVIDIA H100 80GB HBM3"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "npu":
        return str(torch.get_device_module("npu").get_device_name(device))
    return processor_name()


def processor_name() -> str:
    """The CPU's model name as the operating system gives it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = re.findall(r"^model name\s*:\s*(.+)$", information.read_text(), re.MULTILINE)
        if names:
            return str(names[0])
    return platform.processor() or platform.machine()
