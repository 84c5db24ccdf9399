"""The loss, its gradients by autograd, and compilers that fail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fsrcnn.network.model import FSRCNN
from fsrcnn.torch.gradients import AutogradGradients, loss_function
from tests.torch.test_loop import CPU, train

ROOT = Path(__file__).resolve().parents[2]


def test_rmse_is_the_mean_of_the_crops_roots(data):
    torch.manual_seed(1)
    network = FSRCNN(4)
    batch = data.pool.cut(data.pool.grid()[:3], 6)
    with torch.no_grad():
        errors = (network.subpixel(batch.lr) - batch.hr).square().mean((1, 2, 3))
        assert errors.max() > 1.1 * errors.min()  # or both losses would be the same
        for name, expected in {"mse": errors.mean(), "rmse": errors.sqrt().mean()}.items():
            loss, error = loss_function(network, name, torch.float32, CPU)(*batch)
            torch.testing.assert_close(loss, expected, atol=0, rtol=1e-4)
            torch.testing.assert_close(error, errors.mean())


class BackwardFails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("CppCompileError: no g++\nmany more lines")


def failing_at_once(function, **_):
    raise RuntimeError("not supported on this Python")


def failing_forward(function, **_):
    def compiled(*arguments):
        function(*arguments)
        raise RuntimeError("CppCompileError: no g++\nmany more lines")

    return compiled


def failing_backward(function, **_):
    def compiled(*arguments):
        loss, error = function(*arguments)
        return BackwardFails.apply(loss), error

    return compiled


@pytest.mark.parametrize("compiler", [failing_at_once, failing_forward, failing_backward])
def test_a_failing_compiler_costs_a_warning_alone(data, monkeypatch, caplog, compiler):
    changes = {"optimizer": "soap", "precision": "bfloat16", "steps_per_epoch": 5, "epochs": 2}
    plain, _ = train(data, **changes)
    monkeypatch.setattr(torch, "compile", compiler)
    ours, curve = train(data, **changes, compile=True)
    assert len(curve) == 2
    (warning,) = caplog.messages
    assert warning.startswith("train.compile: the step can't be compiled here (RuntimeError: ")
    assert "\n" not in warning
    for name, value in plain.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name


def test_a_missing_c_compiler_costs_a_warning_alone(data, monkeypatch, caplog):
    changes = {"optimizer": "soap", "steps_per_epoch": 5}
    plain, _ = train(data, **changes)
    monkeypatch.setenv("CC", "no-such-compiler")
    ours, _ = train(data, **changes, compile=True)
    (warning,) = caplog.messages
    assert warning == (
        "train.compile: the step can't be compiled here (no C compiler; install gcc or clang, or set CC); "
        "training goes on uncompiled, slower"
    )
    for name, value in plain.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name


def test_an_error_that_is_not_the_compilers_is_raised(data):
    def loss(lr, hr):
        raise ValueError("wrong in itself")

    with pytest.raises(ValueError, match="wrong in itself"):
        AutogradGradients(FSRCNN(4), loss, compile=True).compute(data.pool.cut(data.pool.grid()[:1], 6))


PROGRAM = """
import json, logging, torch
from fsrcnn.network.model import FSRCNN
from fsrcnn.torch.gradients import AutogradGradients, loss_function
logging.basicConfig(format="%(message)s")
from fsrcnn.training.pool import Batch
network = FSRCNN(4)
loss = loss_function(network, "mse", torch.float32, torch.device("cpu"))
batch = Batch(torch.rand(2, 1, 6, 6), torch.rand(2, 16, 6, 6))
error = AutogradGradients(network, loss, compile=True).compute(batch)
print(json.dumps([error.item(), all(p.grad is not None for p in network.parameters())]))
"""


def test_a_real_compiler_that_fails(tmp_path):
    environment = os.environ | {
        "CXX": "false",
        "PYTHONPATH": str(ROOT / "src"),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path),  # or what was compiled before would do
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    error, has_gradients = json.loads(done.stdout)
    assert error > 0 and has_gradients
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("train.compile: the step can't be compiled here")
