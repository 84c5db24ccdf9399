"""The loss, its gradients by autograd, and compilers that fail."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fsrcnn.network.model import FSRCNN
from fsrcnn.torch import gradients
from fsrcnn.torch.gradients import AutogradGradients, loss_function
from tests.network.test_model import randomized
from tests.torch.test_loop import CPU, settings, train

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
        AutogradGradients(FSRCNN(4), loss, partial(data.pool.cut, side=6), compile=True).compute(
            data.pool.grid()[:1]
        )


class Graph:
    """A CUDA graph on the CPU: a replay is the captured step, on the tensors it was captured with."""

    def replay(self) -> None:
        held = [p.grad for p in self.network.parameters()]
        error = self.step()
        self.error.copy_(error)
        for parameter, gradient in zip(self.network.parameters(), held, strict=True):
            gradient.copy_(parameter.grad)
            parameter.grad = gradient


@pytest.fixture
def graphs(monkeypatch):
    """CUDA's streams and graphs, played by the CPU; the list of those that were captured."""
    captured = []

    @contextmanager
    def capture(graph):
        with monkeypatch.context() as inside:
            differentiate = gradients._differentiate

            def recorded(network, loss, batch):
                graph.network, graph.step = network, partial(differentiate, network, loss, batch)
                graph.error = differentiate(network, loss, batch)
                return graph.error

            inside.setattr(gradients, "_differentiate", recorded)
            yield
        captured.append(graph)

    stream = SimpleNamespace(wait_stream=lambda _: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    return captured


def test_a_graph_gives_the_gradients_of_each_batch(data, graphs):
    network = FSRCNN(4)
    cut, places = partial(data.pool.cut, side=6), data.pool.grid()
    loss = loss_function(network, "rmse", torch.float32, CPU)
    ours = gradients.GraphGradients(network, loss, cut)
    addresses = set()
    for start in (0, 5, 9):
        error = ours.compute(places[start : start + 4])
        found = [p.grad.clone() for p in network.parameters()]
        addresses.add(tuple(p.grad.data_ptr() for p in network.parameters()))
        held = [p.grad for p in network.parameters()]
        expected = gradients._differentiate(network, loss, cut(places[start : start + 4]))
        assert torch.equal(error, expected)
        assert all(torch.equal(a, p.grad) for a, p in zip(found, network.parameters(), strict=True))
        for parameter, gradient in zip(network.parameters(), held, strict=True):
            parameter.grad = gradient
    assert len(graphs) == len(addresses) == 1


def test_a_graph_that_cannot_be_captured_costs_a_warning_alone(data, graphs, monkeypatch, caplog):
    def capture(_):
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(torch.cuda, "graph", capture)
    network = FSRCNN(4)
    loss = loss_function(network, "rmse", torch.float32, CPU)
    ours = gradients.GraphGradients(network, loss, partial(data.pool.cut, side=6))
    errors = [ours.compute(data.pool.grid()[:3]) for _ in range(2)]
    assert errors[0] == errors[1] > 0
    assert caplog.messages == [
        "train.compile: the step can't be compiled here (CUDA error: operation not permitted when stream is "
        "capturing); training goes on uncompiled, slower"
    ]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_loss_on_cuda_is_that_of_the_deconvolution(scale):
    network = randomized(scale)
    lr, hr = torch.rand(2, 1, 9, 7), torch.rand(2, scale**2, 9, 7)
    ours, theirs = (
        loss_function(network, "rmse", torch.float32, torch.device(name))(lr, hr) for name in ("cuda", "cpu")
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("compiled", "kind"), [(True, "GraphGradients"), (False, "AutogradGradients")])
def test_cuda_gets_a_graph(data, compiled, kind):
    chosen = gradients.choose_gradients(
        FSRCNN(4), settings(compile=compiled), data.pool, 6, torch.device("cuda")
    )
    assert type(chosen).__name__ == kind


PROGRAM = """
import json, logging, torch
from fsrcnn.network.model import FSRCNN
from fsrcnn.torch.gradients import AutogradGradients, loss_function
logging.basicConfig(format="%(message)s")
from fsrcnn.training.pool import Batch
network = FSRCNN(4)
loss = loss_function(network, "mse", torch.float32, torch.device("cpu"))
batch = Batch(torch.rand(2, 1, 6, 6), torch.rand(2, 16, 6, 6))
error = AutogradGradients(network, loss, lambda _: batch, compile=True).compute(None)
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
