import pytest
import torch

from fsrcnn.compilers import compiler
from fsrcnn.network.model import FSRCNN
from fsrcnn.torch.optimizer import build_optimizer
from fsrcnn.torch.soap import SOAP
from fsrcnn.torch.soap_kernel import CompiledSOAP


@pytest.mark.parametrize(("device", "is_fused"), [("cpu", True), ("meta", False)])
def test_adam_is_fused_where_that_exists(device, is_fused):
    optimizer = build_optimizer(FSRCNN(2).to(device), "adam", 0.001, 1.0)
    assert optimizer.defaults["fused"] is is_fused
    for parameter in optimizer.param_groups[0]["params"]:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()


@pytest.mark.skipif(compiler.command() is None, reason="no C compiler")
def test_soap_is_compiled_where_that_is_asked_for():
    network = FSRCNN(2)
    assert isinstance(build_optimizer(network, "soap", 0.01, 0.3), SOAP)
    compiled = build_optimizer(network, "soap", 0.01, 0.3, compile=True)
    assert isinstance(compiled, CompiledSOAP)
    assert [group["lr"] for group in compiled.param_groups] == [0.01, pytest.approx(0.003)]


def test_soap_that_cannot_be_compiled_costs_a_warning(monkeypatch, caplog):
    monkeypatch.setenv("CC", "no-such-compiler")
    assert isinstance(build_optimizer(FSRCNN(2), "soap", 0.01, 0.3, compile=True), SOAP)
    assert caplog.messages == [
        "train.compile: the optimiser can't be compiled here "
        "(no C compiler; install gcc or clang, or set CC); its steps are slower"
    ]
