"""Which device a run uses with either framework, how to wait for it, and what memory it used."""

import ctypes
import importlib.util
import platform
import re
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import torch

from fsrcnn.errors import InputError

DeviceName = Literal["auto", "cpu", "cuda", "mps", "npu"]
Framework = Literal["torch", "mindspore"]
INSTALL = {
    ("torch", "cuda"): "a CUDA build of torch and an NVIDIA driver",
    ("torch", "mps"): "a macOS build of torch on Apple silicon",
    ("torch", "npu"): "torch_npu and the Ascend CANN toolkit",
    ("mindspore", "cuda"): "CUDA 11 with cuDNN and an NVIDIA driver",
    ("mindspore", "npu"): "the Ascend CANN toolkit",
}
BEST_FIRST: tuple[DeviceName, ...] = ("cuda", "npu", "mps")
TARGETS = {"cpu": "CPU", "cuda": "GPU", "npu": "Ascend"}  # MindSpore's names
AVX2 = 0x7  # oneDNN's dnnl_cpu_isa_avx2


@dataclass(frozen=True)
class MindSporeDevice:
    """A device of MindSpore, of which a process has one; `type` is named as torch's is."""

    type: str


Device = torch.device | MindSporeDevice


def is_available(name: str, framework: Framework = "torch") -> bool:
    """Whether the framework, which is installed, can use the device `name` on this machine."""
    if name == "cpu":
        return True
    if framework == "mindspore":
        if name not in TARGETS:
            return False
        context = getattr(_mindspore().device_context, TARGETS[name].lower())
        return bool(context.is_available())
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
    if framework == "mindspore" and importlib.util.find_spec("mindspore") is None:
        raise InputError(
            "params.yaml: framework: mindspore is not installed here; "
            "run `make mindspore`, then `. .venv-mindspore/bin/activate`"
        )
    if name == "auto":
        name = next((n for n in BEST_FIRST if is_available(n, framework)), "cpu")
    elif not is_available(name, framework):
        if (framework, name) not in INSTALL:
            raise InputError(f"params.yaml: device: {framework} has no {name}; set device to auto or cpu")
        raise InputError(
            f"params.yaml: device: {name} is not available to {framework} on this machine; "
            f"install {INSTALL[framework, name]}, or set device to auto or cpu"
        )
    if framework == "torch":
        return torch.device(name)
    _bind_mindspore(name)
    return MindSporeDevice(name)


def of_tensors(device: Device) -> torch.device:
    """Where torch's tensors are: with MindSpore, which copies what it needs, in main memory."""
    return device if isinstance(device, torch.device) else torch.device("cpu")


def synchronize(device: Device) -> None:
    """Wait until everything queued on the device has finished."""
    if device.type == "cpu":
        return
    if isinstance(device, MindSporeDevice):
        _mindspore().runtime.synchronize()
    else:
        torch.get_device_module(device).synchronize()


def description(device: Device) -> str:
    """A name a person recognises, such as "AMD EPYC 9B14" or "NVIDIA H100 80GB HBM3"."""
    if device.type == "cpu" or device.type == "mps":
        return processor_name()
    if isinstance(device, MindSporeDevice):
        context = getattr(_mindspore().device_context, TARGETS[device.type].lower())
        return str(context.device.get_device_name(0) if hasattr(context, "device") else device.type)
    return str(torch.get_device_module(device).get_device_name(device))


def peak_memory(device: Device) -> int:
    """The most bytes that this process held so far: of the device's memory, or of main memory on a CPU."""
    if device.type == "cpu" or device.type == "mps":
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if isinstance(device, MindSporeDevice):
        return int(_mindspore().runtime.max_memory_allocated())
    return int(torch.get_device_module(device).max_memory_allocated(device))


def framework_version(device: Device) -> tuple[Framework, str]:
    """The framework that the device belongs to, and its version."""
    if isinstance(device, MindSporeDevice):
        return "mindspore", str(_mindspore().__version__)
    return "torch", torch.__version__


def processor_name() -> str:
    """The CPU's model name as the operating system gives it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = re.findall(r"^model name\s*:\s*(.+)$", information.read_text(), re.MULTILINE)
        if names:
            return str(names[0])
    return platform.processor() or platform.machine()


def _mindspore() -> Any:  # noqa: ANN401  # not installed where the types are checked
    import mindspore

    return mindspore


def _bind_mindspore(name: str) -> None:
    mindspore = _mindspore()
    mindspore.set_device(TARGETS[name])
    if name == "cpu":
        # The thread that calls works too; one thread more than cores, and they wait for each other.
        mindspore.device_context.cpu.op_tuning.threads_num(max(1, torch.get_num_threads() - 1))
        _limit_onednn(Path(mindspore.__file__).parent / "lib" / "libdnnl.so.3")


def _limit_onednn(library: Path) -> None:
    """Keep MindSpore's own oneDNN to AVX2; torch's copy is another and stays as it is.

    Given AVX-512, oneDNN 3.10 runs convolutions of MindSpore's layout by its reference loops,
    which take 20 times as long as what it chooses with AVX2 (docs/mindspore.md).
    """
    if platform.machine() == "x86_64" and library.exists():
        ctypes.CDLL(str(library)).dnnl_set_max_cpu_isa(AVX2)
