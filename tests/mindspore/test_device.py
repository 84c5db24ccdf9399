"""The choice of MindSpore's device, with a stand-in for MindSpore."""

import importlib.machinery
import importlib.util
import sys
import types

import pytest

from fsrcnn.errors import InputError
from fsrcnn.mindspore import device


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
    assert device.choose("auto") == device.MindSporeDevice(chosen)
    assert bound == [target]


@pytest.mark.parametrize(
    ("name", "advice"), [("cuda", "install CUDA 11"), ("npu", "CANN"), ("mps", "has no mps")]
)
def test_device_that_mindspore_lacks_is_one_line(mindspore, name, advice):
    bound = mindspore()
    with pytest.raises(InputError, match=f"device: .*{advice}") as caught:
        device.choose(name)
    assert "\n" not in str(caught.value)
    assert not bound


def test_absent_mindspore_is_one_line_that_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="framework: mindspore is not installed here; run `make mindspore`"):
        device.choose("auto")
