import logging

import pytest
import torch

from fsrcnn.device import MindSporeDevice
from fsrcnn.training import precision
from tests.torch.test_loop import CPU, settings, train


@pytest.mark.parametrize(("has_it", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_auto_on_cuda(monkeypatch, has_it, chosen):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_it)
    assert precision.with_precision(settings(precision="auto"), torch.device("cuda")).precision == chosen


@pytest.mark.parametrize("device", [CPU, torch.device("mps"), MindSporeDevice("cpu")])
def test_auto_elsewhere(device):
    assert precision.with_precision(settings(precision="auto"), device).precision == "float32"


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_named_precision_stays(name):
    assert precision.with_precision(settings(precision=name), CPU).precision == name


def test_training_is_that_of_what_auto_chose(data, caplog):
    caplog.set_level(logging.INFO)
    auto, _ = train(data, precision="auto", steps_per_epoch=3)
    assert "train.precision: auto is float32 on this device" in caplog.messages
    named, _ = train(data, precision="float32", steps_per_epoch=3)
    for key, value in named.state_dict().items():
        assert torch.equal(value, auto.state_dict()[key]), key
