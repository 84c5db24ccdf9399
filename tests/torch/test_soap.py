import copy
import shutil
import sys
from functools import partial

import pytest
import torch

from fsrcnn.compilers import compiler
from fsrcnn.errors import InputError
from fsrcnn.torch import soap_cuda
from fsrcnn.torch.soap import SOAP
from fsrcnn.torch.soap_cuda import CudaStep
from fsrcnn.torch.soap_kernel import CompiledSOAP, ProcessorStep
from tests.inference import host

CPU = torch.device("cpu")
SHAPES = [(7,), (1,), (4, 2, 2, 2), (4, 2, 2, 2), (9, 3, 1, 1), (2, 6), (6, 2), (56, 1, 9, 9)]


def optimize(start, loss_of, make, steps):
    parameters = [torch.nn.Parameter(tensor.clone()) for tensor in start]
    optimizer = make([{"params": parameters}])
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(*parameters).backward()
        optimizer.step()
    return parameters


def test_vectors_get_adam_one_step_later():
    # The first step of SOAP only measures, so that n + 1 steps of it are n of Adam.
    target = torch.tensor([1.0, -2.0, 3.0])

    def loss(x):
        return ((x - target) ** 2 * torch.tensor([1.0, 5.0, 0.1])).sum()

    start = [torch.zeros(3)]
    (ours,) = optimize(start, loss, lambda p: SOAP(p, lr=0.01), 31)
    (adam,) = optimize(start, loss, lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.95, 0.95)), 30)
    torch.testing.assert_close(ours, adam)


def test_diagonal_gradients_get_adam():
    # Where the gradient stays diagonal, its eigenbasis is that of the axes: Adam on the diagonal.
    target = torch.diag(torch.tensor([4.0, 2.0, 1.0]))

    def loss(x):
        return ((x - target) ** 2).sum()

    (ours,) = optimize([torch.zeros(3, 3)], loss, lambda p: SOAP(p, lr=0.01, frequency=5), 41)
    (adam,) = optimize(
        [torch.zeros(3)],
        lambda x: loss(torch.diag(x)),
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.95, 0.95)),
        40,
    )
    torch.testing.assert_close(ours.diagonal(), adam, atol=1e-5, rtol=1e-4)
    assert (ours - torch.diag(ours.diagonal())).abs().max() < 1e-5


def test_stacked_parameters_do_not_mix():
    torch.manual_seed(0)
    targets = torch.randn(3, 4, 2, 3, 3)

    def loss(*filters):
        return sum(((f - t) ** 4).sum() for f, t in zip(filters, targets, strict=False))

    start = [torch.randn(4, 2, 3, 3) for _ in targets]
    together = optimize(start, loss, lambda p: SOAP(p, lr=0.01), 25)
    alone = optimize(start[:1], loss, lambda p: SOAP(p, lr=0.01), 25)
    torch.testing.assert_close(together[0], alone[0], atol=1e-5, rtol=1e-4)


def walk(parameters, optimizer, steps):
    """Steps along gradients that depend on their number alone."""
    for step in steps:
        random = torch.Generator().manual_seed(step)
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=random)
        optimizer.step()


def zeros():
    return [torch.nn.Parameter(torch.zeros(shape)) for shape in SHAPES]


def grouped(make, parameters):
    return make([{"params": parameters[:5], "lr": 0.01}, {"params": parameters[5:], "lr": 0.02}], frequency=3)


@pytest.fixture(params=["C", "CUDA"])
def compiled(request, monkeypatch):
    """`CompiledSOAP` by soap.c, or by soap.cu on the stand-in of a card; and a number of steps."""
    if request.param == "C":
        if compiler.command() is None:
            pytest.skip("no C compiler")
        return partial(CompiledSOAP, step=ProcessorStep()), 40
    if not shutil.which("g++"):
        pytest.skip("the stand-in of a graphics processor needs g++")
    for name, module in host.cuda_core().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(soap_cuda, "THREADS", 64)  # of which each is a coroutine
    return partial(CompiledSOAP, step=CudaStep(CPU)), 14


def test_the_compiled_one_takes_the_same_steps(compiled):
    make, steps = compiled
    ours, theirs = zeros(), zeros()
    walk(ours, grouped(make, ours), range(steps))
    walk(theirs, grouped(partial(SOAP, lr=0.01), theirs), range(steps))
    for a, b in zip(ours, theirs, strict=True):
        assert b.abs().max() > 0.01
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_the_compiled_one_goes_on_from_its_state(compiled):
    make, _ = compiled
    ours = zeros()
    optimizer = grouped(make, ours)
    walk(ours, optimizer, range(7))
    copies = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    other = grouped(make, copies)
    walk(copies, other, range(3))  # has a state, and a table of where it lies
    for theirs, parameter in zip(copies, ours, strict=True):
        theirs.data.copy_(parameter.data)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    walk(ours, optimizer, range(7, 15))
    walk(copies, other, range(7, 15))
    assert all(torch.equal(a, b) for a, b in zip(ours, copies, strict=True))


def test_where_cuda_core_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.core", None)
    with pytest.raises(InputError, match=r"cuda.core.*; pip install 'fsrcnn\[cuda\]'$"):
        CudaStep(CPU)


@pytest.mark.parametrize("frequency", [1, 10])
def test_beats_adam_where_the_axes_are_coupled(frequency):
    torch.manual_seed(1)
    turn, _ = torch.linalg.qr(torch.randn(12, 12))
    scale = turn @ torch.diag(torch.logspace(0, 3, 12)) @ turn.T
    target = torch.randn(12, 12)

    def loss(x):
        return (scale @ (x - target)).square().mean()

    (ours,) = optimize([torch.zeros(12, 12)], loss, lambda p: SOAP(p, lr=0.03, frequency=frequency), 200)
    (adam,) = optimize([torch.zeros(12, 12)], loss, lambda p: torch.optim.Adam(p, lr=0.03), 200)
    assert loss(ours) < loss(adam) / 3


def test_frozen_parameters_stay():
    frozen, free = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2, 2))
    optimizer = SOAP([{"params": [frozen, free]}], lr=0.1)
    for _ in range(3):
        free.grad = torch.eye(2)
        optimizer.step()
    assert torch.equal(frozen, torch.ones(2, 2))
    assert not torch.equal(free, torch.ones(2, 2))


def test_no_step_is_longer_than_adams_longest():
    # Gradients that turn between two refreshes of the bases leave `square` behind.
    torch.manual_seed(2)
    x = torch.nn.Parameter(torch.zeros(6, 6))
    optimizer = SOAP([{"params": [x]}], lr=1.0)
    longest = 0.0
    for step in range(200):
        axis = torch.eye(6)[step // 17 % 6]
        before = x.detach().clone()
        x.grad = torch.outer(axis, axis) + 1e-6 * torch.randn(6, 6)
        optimizer.step()
        longest = max(longest, float((x.detach() - before).norm()))
    assert 1 < longest <= 6 * 1.001  # all 36 coordinates at 1


class OnMetal(torch.Tensor):
    """A tensor that says it is on MPS, and like one there has no decompositions."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), keywords=None):
        if function is torch.Tensor.device.__get__:
            return torch.device("mps")
        if function in (torch.linalg.eigh, torch.linalg.qr):
            raise NotImplementedError(f"{function.__name__}: not implemented for the MPS device")
        if function is torch.Tensor.cpu:
            return arguments[0].as_subclass(torch.Tensor)
        if function is torch.Tensor.to:
            return arguments[0].as_subclass(cls)
        return super().__torch_function__(function, types, arguments, keywords or {})


def test_what_mps_lacks_is_done_on_the_cpu():
    torch.manual_seed(3)
    start, target = torch.randn(6, 4), torch.randn(6, 4)
    ours = optimize(
        [start.as_subclass(OnMetal)], lambda x: ((x - target) ** 4).sum(), lambda p: SOAP(p, lr=0.01), 25
    )
    theirs = optimize([start], lambda x: ((x - target) ** 4).sum(), lambda p: SOAP(p, lr=0.01), 25)
    assert isinstance(ours[0], OnMetal)
    assert torch.equal(ours[0].as_subclass(torch.Tensor), theirs[0])
