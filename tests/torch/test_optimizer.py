import pytest
import torch

from fsrcnn.network.model import FSRCNN
from fsrcnn.torch.optimizer import build_optimizer


@pytest.mark.parametrize(("device", "is_fused"), [("cpu", True), ("meta", False)])
def test_adam_is_fused_where_that_exists(device, is_fused):
    optimizer = build_optimizer(FSRCNN(2).to(device), "adam", 0.001, 1.0)
    assert optimizer.defaults["fused"] is is_fused
    for parameter in optimizer.param_groups[0]["params"]:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
