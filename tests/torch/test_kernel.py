"""The kernel in C: the gradients of autograd, for every shape, side, loss and instruction set."""

import numpy as np
import pytest
import torch

from fsrcnn.compilers import compiler
from fsrcnn.data.hdf5 import Pair
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import TrainSettings
from fsrcnn.system import processor_flags
from fsrcnn.torch.gradients import KernelGradients, choose_gradients, loss_function
from fsrcnn.training.kernel import Kernel
from fsrcnn.training.pool import SYMMETRIES, PatchPool
from tests.network.test_model import randomized
from tests.torch.test_loop import CPU, CROPS, settings, train

pytestmark = pytest.mark.skipif(compiler.command() is None, reason="no C compiler")
# What the compiler may use, and what the processor must have for it.
INSTRUCTIONS = {
    "sse2": (("-march=x86-64",), set()),
    "avx2": (("-march=x86-64-v3",), {"avx2", "fma"}),
    "avx512": (("-march=x86-64-v4",), {"avx512f", "avx512bw", "avx512dq", "avx512vl"}),
}


def crops(scale: int, side: int, count: int) -> tuple[PatchPool, torch.Tensor]:
    """A pool of one image, and places in it, in all symmetries in turn."""
    random = np.random.default_rng(side)
    lr = random.uniform(0, 255, (side + 2, side + 5)).astype(np.float32)
    hr = random.uniform(0, 255, (lr.shape[0] * scale, lr.shape[1] * scale)).astype(np.float32)
    pool = PatchPool.of_pairs(scale, [Pair(lr, hr, "noise")])
    numbers = random.integers(pool.count(side), size=count)
    return pool, pool.places(numbers, side, symmetry=np.arange(count) % SYMMETRIES)


def assert_equal_to_autograd(
    network: FSRCNN, name: str, pool: PatchPool, places: torch.Tensor, side: int
) -> None:
    """In double precision, to which the kernel comes as near as sums in float32 can."""
    error = KernelGradients(network, name, pool, side).compute(places)
    lr, hr = pool.cut(places, side)
    gradients = {key: p.grad.clone() for key, p in network.named_parameters() if p.grad is not None}
    exact = network.double()
    exact.zero_grad()
    loss, exact_error = loss_function(exact, name, torch.float32, CPU)(lr.double(), hr.double())
    loss.backward()
    torch.testing.assert_close(error.double(), exact_error, atol=0, rtol=1e-5)
    expected = {key: p.grad for key, p in exact.named_parameters() if p.grad is not None}
    assert gradients.keys() == expected.keys()
    assert all(gradient.any() for key, gradient in expected.items() if key.endswith("bias"))
    for key, gradient in expected.items():
        assert (gradients[key] - gradient).abs().max() <= 1e-5 * gradient.abs().max(), key


@pytest.mark.parametrize(
    ("scale", "shape", "side", "count"),
    [
        (2, (56, 12, 4), 16, 3),
        (3, (56, 12, 4), 16, 3),
        (4, (56, 12, 4), 16, 3),
        (4, (32, 5, 1), 6, 2),
        (2, (5, 3, 0), 7, 5),
        (3, (1, 1, 2), 4, 1),
        (3, (13, 17, 1), 33, 1),
    ],
)
@pytest.mark.parametrize("loss", ["mse", "rmse"])
def test_gradients_are_those_of_autograd(scale, shape, side, count, loss):
    network = randomized(scale, **dict(zip("dsm", shape, strict=True)))
    assert_equal_to_autograd(network, loss, *crops(scale, side, count), side)


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_every_instruction_set(monkeypatch, name):
    flags, needs = INSTRUCTIONS[name]
    if not {"sse2", *needs} <= processor_flags():
        if name != "avx512" or "avx2" not in processor_flags():
            pytest.skip(f"the processor has no {name}")
        # Its vectors and groups of channels, made of the instructions that there are.
        flags = ("-march=x86-64-v3", "-D__AVX512F__", "-DKEEP(v)=", "-O1")
    monkeypatch.setattr(compiler, "THIS_PROCESSOR", flags)
    assert_equal_to_autograd(randomized(3, d=8, s=5, m=1), "rmse", *crops(3, 9, 10), 9)


def test_frozen_layers_have_no_gradient():
    network = randomized(4, d=6, s=3, m=1).requires_grad_(False)
    network.deconvolution.requires_grad_(True)
    assert_equal_to_autograd(network, "rmse", *crops(4, 6, 3), 6)


def test_the_number_of_threads_changes_nothing():
    shape = {"scale": "2", "d": "6", "s": "3", "m": "1"}
    (pool, places), random = crops(2, 6, 37), np.random.default_rng(1)
    parameters = random.normal(size=sum(p.numel() for p in FSRCNN(2, 6, 3, 1).parameters()))
    results = []
    for threads in (1, 2, 5):
        kernel = Kernel(shape, 6, threads)
        gradients = np.empty((kernel.parts, len(parameters)), np.float32)
        kernel.compute(
            parameters.astype(np.float32),
            (pool.lr.numpy(), pool.hr.numpy(), pool.orders.numpy()),
            places.numpy(),
            gradients,
            is_root=True,
            is_whole=True,
        )
        results.append(gradients[0].copy())
    assert results[0].any()
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()


def test_a_training_is_that_of_autograd(data):
    changes = {"ema_decay": 0.9, "loss": "rmse", **CROPS, "steps_per_epoch": 10}
    ours, curve = train(data, **changes, compile=True)
    plain, expected = train(data, **changes)
    assert curve[-1].loss == pytest.approx(expected[-1].loss, rel=1e-3)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value, atol=1e-3, rtol=1e-2)


def test_a_training_is_the_same_for_any_number_of_threads(data):
    changes = {"optimizer": "soap", "loss": "rmse", **CROPS, "steps_per_epoch": 15, "compile": True}
    usual, trained = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        trained.append(train(data, **changes)[0].state_dict())
    torch.set_num_threads(usual)
    for key, value in trained[0].items():
        assert torch.equal(value, trained[1][key]), key


@pytest.mark.parametrize(
    ("changes", "is_the_kernel"),
    [({"compile": True}, True), ({}, False), ({"compile": True, "precision": "bfloat16"}, False)],
)
def test_where_the_kernel_is_taken(changes, is_the_kernel):
    chosen: TrainSettings = settings(**changes)
    gradients = choose_gradients(FSRCNN(4, 4, 2, 1), chosen, PatchPool(4, 0), 6, CPU)
    assert isinstance(gradients, KernelGradients) == is_the_kernel


def test_a_source_that_does_not_compile_costs_a_warning(monkeypatch, caplog):
    monkeypatch.setattr("fsrcnn.training.kernel.SOURCES", ("kernel.c", "kernel.c"))  # all defined twice
    gradients = choose_gradients(FSRCNN(4, 4, 2, 1), settings(compile=True), PatchPool(4, 0), 6, CPU)
    assert not isinstance(gradients, KernelGradients)
    assert len(caplog.messages) == 1 and "error: " in caplog.text
