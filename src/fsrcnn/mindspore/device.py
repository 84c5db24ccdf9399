"""MindSpore's device, of which a process has one. Can be imported without MindSpore."""

import ctypes
import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fsrcnn.errors import InputError
from fsrcnn.system import processor_name

TARGETS = {"cuda": "GPU", "npu": "Ascend", "cpu": "CPU"}  # MindSpore's names; the best first
INSTALL = {"cuda": "CUDA 11 with cuDNN and an NVIDIA driver", "npu": "the Ascend CANN toolkit"}
AVX2 = 0x7  # oneDNN's dnnl_cpu_isa_avx2


@dataclass(frozen=True)
class MindSporeDevice:
    """The device that MindSpore is bound to; `type` is named as torch's is."""

    type: str

    def synchronize(self) -> None:
        """Wait until everything queued has finished."""
        _mindspore().runtime.synchronize()

    def description(self) -> str:
        """A name a person recognises."""
        if self.type == "cpu":
            return processor_name()
        context = _context(self.type)
        return str(context.device.get_device_name(0) if hasattr(context, "device") else self.type)

    def peak_memory(self) -> int:
        """The most bytes of the device's memory that this process held so far."""
        return int(_mindspore().runtime.max_memory_allocated())

    def version(self) -> str:
        """MindSpore's version."""
        return str(_mindspore().__version__)


def is_available(name: str) -> bool:
    """Whether MindSpore, which is installed, can use the device `name` on this machine."""
    return name == "cpu" or (name in TARGETS and bool(_context(name).is_available()))


def choose(name: str) -> MindSporeDevice:
    """Bind MindSpore to the device of that name for the whole process; "auto" takes the best there is.

    Raises `InputError` that says what to install when the device, or MindSpore, is not there.
    """
    if importlib.util.find_spec("mindspore") is None:
        raise InputError(
            "params.yaml: framework: mindspore is not installed here; "
            "run `make mindspore`, then `. .venv-mindspore/bin/activate`"
        )
    if name == "auto":
        name = next(target for target in TARGETS if is_available(target))
    elif name not in TARGETS:
        raise InputError(f"params.yaml: device: mindspore has no {name}; set device to auto or cpu")
    elif not is_available(name):
        raise InputError(
            f"params.yaml: device: {name} is not available to mindspore on this machine; "
            f"install {INSTALL[name]}, or set device to auto or cpu"
        )
    mindspore = _mindspore()
    mindspore.set_device(TARGETS[name])
    if name == "cpu":
        # The thread that calls works too; one thread more than cores, and they wait for each other.
        mindspore.device_context.cpu.op_tuning.threads_num(max(1, torch.get_num_threads() - 1))
        _limit_onednn(Path(mindspore.__file__).parent / "lib" / "libdnnl.so.3")
    return MindSporeDevice(name)


def _limit_onednn(library: Path) -> None:
    """Keep MindSpore's own oneDNN to AVX2; torch's copy is another and stays as it is.

    Given AVX-512, oneDNN 3.10 runs convolutions of MindSpore's layout by its reference loops,
    which take 20 times as long as what it chooses with AVX2 (docs/mindspore.md).
    """
    if platform.machine() == "x86_64" and library.exists():
        ctypes.CDLL(str(library)).dnnl_set_max_cpu_isa(AVX2)


def _context(name: str) -> Any:  # noqa: ANN401  # not installed where the types are checked
    return getattr(_mindspore().device_context, TARGETS[name].lower())


def _mindspore() -> Any:  # noqa: ANN401  # not installed where the types are checked
    import mindspore

    return mindspore
