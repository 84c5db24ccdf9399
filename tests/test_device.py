import importlib.machinery
import importlib.util
import sys
import types

import pytest
import torch

from fsrcnn import device
from fsrcnn.errors import InputError


@pytest.fixture
def present(monkeypatch):
    """Choose which devices the machine seems to have."""

    def pretend(*names: str) -> None:
        monkeypatch.setattr(device, "is_available", lambda name, _: name in {"cpu", *names})

    return pretend


@pytest.mark.parametrize(
    ("there", "chosen"), [((), "cpu"), (("mps",), "mps"), (("mps", "cuda"), "cuda"), (("npu",), "npu")]
)
def test_auto_takes_the_best_there_is(present, monkeypatch, there, chosen):
    monkeypatch.setattr(torch, "device", str)  # torch only knows "npu" once torch_npu is imported
    present(*there)
    assert device.choose("auto") == chosen


@pytest.mark.parametrize("name", ["cuda", "mps", "npu"])
def test_absent_device_is_one_line_that_says_what_to_install(present, name):
    present()
    with pytest.raises(InputError, match=f"device: {name} is not available .*install") as caught:
        device.choose(name)
    assert "\n" not in str(caught.value)


@pytest.fixture
def mindspore(monkeypatch):
    """A MindSpore that has the devices it is told; returns what it was bound to."""
    bound: list[str] = []

    def pretend(*targets: str) -> list[str]:
        contexts = {
            name: types.SimpleNamespace(is_available=lambda name=name: name in targets)
            for name in ("cpu", "gpu", "ascend")
        }
        contexts["cpu"].op_tuning = types.SimpleNamespace(threads_num=lambda _: None)
        fake = types.ModuleType("mindspore")
        fake.__spec__ = importlib.machinery.ModuleSpec("mindspore", None)
        fake.__file__ = "/nowhere/mindspore/__init__.py"
        fake.device_context = types.SimpleNamespace(**contexts)
        fake.set_device = bound.append
        monkeypatch.setitem(sys.modules, "mindspore", fake)
        return bound

    return pretend


@pytest.mark.parametrize(
    ("there", "chosen", "target"),
    [((), "cpu", "CPU"), (("gpu",), "cuda", "GPU"), (("ascend",), "npu", "Ascend")],
)
def test_mindspore_is_bound_to_the_best_there_is(mindspore, there, chosen, target):
    bound = mindspore(*there)
    assert device.choose("auto", "mindspore") == device.MindSporeDevice(chosen)
    assert bound == [target]


@pytest.mark.parametrize(
    ("name", "advice"), [("cuda", "install CUDA 11"), ("npu", "CANN"), ("mps", "has no mps")]
)
def test_device_that_mindspore_lacks_is_one_line(mindspore, name, advice):
    bound = mindspore()
    with pytest.raises(InputError, match=f"device: .*{advice}") as caught:
        device.choose(name, "mindspore")
    assert "\n" not in str(caught.value)
    assert not bound


def test_absent_mindspore_is_one_line_that_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="framework: mindspore is not installed here; run `make mindspore`"):
        device.choose("auto", "mindspore")


def test_cpu_is_always_there():
    assert device.choose("cpu") == torch.device("cpu")
    device.synchronize(torch.device("cpu"))
    assert device.description(torch.device("cpu"))
