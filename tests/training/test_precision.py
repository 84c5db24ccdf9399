import logging

import pytest
import torch

from fsrcnn.device import MindSporeDevice
from fsrcnn.training import precision
from tests.torch.test_loop import CPU, settings, train


@pytest.fixture
def processor(monkeypatch):
    """Choose the instruction sets that the processor seems to have."""
    return lambda *flags: monkeypatch.setattr(precision, "processor_flags", lambda: set(flags))


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        ((), "float32"),
        (("avx2",), "float32"),
        (("avx2", "avx512f"), "float32"),
        (("avx2", "avx512f", "avx512_bf16"), "bfloat16"),
        (("amx_bf16",), "bfloat16"),
    ],
)
def test_auto_on_a_cpu(processor, flags, chosen):
    processor(*flags)
    assert precision.with_precision(settings(precision="auto"), CPU).precision == chosen


@pytest.mark.parametrize(("has_it", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_auto_on_cuda(monkeypatch, has_it, chosen):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_it)
    assert precision.with_precision(settings(precision="auto"), torch.device("cuda")).precision == chosen


@pytest.mark.parametrize("device", [torch.device("mps"), MindSporeDevice("cpu")])
def test_auto_elsewhere(processor, device):
    processor("avx512_bf16")
    assert precision.with_precision(settings(precision="auto"), device).precision == "float32"


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_named_precision_stays(processor, name):
    processor("avx2")
    assert precision.with_precision(settings(precision=name), CPU).precision == name


@pytest.mark.parametrize(("flag", "name"), [("avx2", "float32"), ("avx512_bf16", "bfloat16")])
def test_training_is_that_of_what_auto_chose(data, processor, caplog, flag, name):
    processor(flag)
    caplog.set_level(logging.INFO)
    auto, _ = train(data, precision="auto", steps_per_epoch=3)
    assert f"train.precision: auto is {name} on this device" in caplog.messages
    named, _ = train(data, precision=name, steps_per_epoch=3)
    for key, value in named.state_dict().items():
        assert torch.equal(value, auto.state_dict()[key]), key
