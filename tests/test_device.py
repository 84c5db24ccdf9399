import pytest
import torch

from fsrcnn import device
from fsrcnn.errors import InputError


@pytest.fixture
def present(monkeypatch):
    """Choose which devices the machine seems to have."""

    def pretend(*names: str) -> None:
        monkeypatch.setattr(device, "is_available", lambda name: name in {"cpu", *names})

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


def test_cpu_is_always_there():
    assert device.choose("cpu") == torch.device("cpu")
    device.synchronize(torch.device("cpu"))
    assert device.description(torch.device("cpu"))
