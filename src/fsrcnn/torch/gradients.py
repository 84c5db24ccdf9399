"""The loss and its gradients: by the kernel in C on the CPU, by autograd in a graph on CUDA, elsewhere by
autograd, compiled where that works.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from fsrcnn.errors import InputError
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import TrainSettings
from fsrcnn.training.kernel import FLOOR, Kernel
from fsrcnn.training.pool import Batch, PatchPool

log = logging.getLogger(__name__)

Cut = Callable[[Tensor], Batch]
Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

WARM_UP = 3  # calls before the capture, in which libraries choose what they launch


class Gradients(Protocol):
    """Gives the network's parameters their gradients of a loss."""

    def compute(self, places: Tensor) -> Tensor:
        """Set the gradients for the patches at `places` (n, 4); returns the mean squared error, a scalar."""


def choose_gradients(
    network: FSRCNN, settings: TrainSettings, pool: PatchPool, side: int, device: torch.device
) -> Gradients:
    """The fastest that there are, for crops of `side`.

    With `settings.compile` the kernel is compiled now, autograd's step in its first. Whatever fails there, a
    compiler that is missing above all, costs a warning.
    """
    is_compiled = settings.compile
    if is_compiled and device.type == "cpu" and settings.precision == "float32":
        try:
            return KernelGradients(network, settings.loss, pool, side)
        except InputError as failure:
            _warn(str(failure))
            is_compiled = False
    loss = loss_function(network, settings.loss, getattr(torch, settings.precision), device)
    cut = partial(pool.cut, side=side)
    if is_compiled and device.type == "cuda":
        return GraphGradients(network, loss, cut)
    return AutogradGradients(network, loss, cut, compile=is_compiled)


class KernelGradients:
    """By kernel.c, several times as fast as autograd; of the same value for any number of threads."""

    def __init__(self, network: FSRCNN, loss: Literal["mse", "rmse"], pool: PatchPool, side: int) -> None:
        """Raises `InputError` when the kernel can't be compiled."""
        self._pool = pool
        shape = {key: str(getattr(network, key)) for key in ("scale", "d", "s", "m")}
        self._kernel = Kernel(shape, side, torch.get_num_threads())
        self._is_root = loss == "rmse"
        self._parameters = list(network.parameters())
        last = set(network.deconvolution.parameters())
        self._is_whole = any(p.requires_grad for p in self._parameters if p not in last)
        sizes = [p.numel() for p in self._parameters]
        self._gradients = torch.zeros(self._kernel.parts, sum(sizes))
        for parameter, gradient in zip(self._parameters, self._gradients[0].split(sizes), strict=True):
            if parameter.requires_grad:
                parameter.grad = gradient.view_as(parameter)

    @torch.no_grad()
    def compute(self, places: Tensor) -> Tensor:
        """Set the gradients for the patches at `places`; returns the mean squared error, a scalar."""
        values = torch.cat([p.reshape(-1) for p in self._parameters])
        errors = self._kernel.compute(
            values.numpy(),
            (self._pool.lr.numpy(), self._pool.hr.numpy(), self._pool.orders.numpy()),
            places.numpy(),
            self._gradients.numpy(),
            is_root=self._is_root,
            is_whole=self._is_whole,
        )
        return torch.from_numpy(errors).mean()


class AutogradGradients:
    """By autograd.

    With `compile` the loss is compiled in the first call. Whatever fails there costs a warning: nothing but
    gradients has changed, and they are computed anew.
    """

    def __init__(self, network: FSRCNN, loss: Loss, cut: Cut, *, compile: bool) -> None:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network, self._loss, self._cut, self._is_to_compile = network, loss, cut, compile

    def compute(self, places: Tensor) -> Tensor:
        """Set the gradients for the patches at `places`; returns the mean squared error, a scalar."""
        batch = self._cut(places)
        if self._is_to_compile:
            self._is_to_compile = False
            uncompiled = self._loss
            try:
                self._loss = torch.compile(uncompiled, dynamic=False)
                return _differentiate(self._network, self._loss, batch)
            except Exception as failure:  # compilers and what drives them raise every kind of error
                self._loss = uncompiled
                _warn(f"{type(failure).__name__}: {failure}")
        return _differentiate(self._network, self._loss, batch)


class GraphGradients:
    """By autograd on CUDA: the first call captures its hundreds of launches in a graph, which is one.

    Where that fails it costs a warning. Parameters and gradients stay contiguous and where they are.
    """

    def __init__(self, network: FSRCNN, loss: Loss, cut: Cut) -> None:
        self._network, self._loss, self._cut = network, loss, cut
        self._is_to_capture = True
        self._graph: torch.cuda.CUDAGraph | None = None

    def compute(self, places: Tensor) -> Tensor:
        """Set the gradients for the patches at `places`; returns the mean squared error, a scalar, which the
        next call overwrites.
        """
        batch = self._cut(places)
        if self._is_to_capture:
            self._is_to_capture = False
            try:
                self._capture(batch)
            except RuntimeError as failure:  # of the driver, which has no class of its own
                _warn(str(failure))
        if self._graph is None:
            return _differentiate(self._network, self._loss, batch)
        for held, given in zip(self._batch, batch, strict=True):
            held.copy_(given)
        self._graph.replay()
        return self._error

    def _capture(self, batch: Batch) -> None:
        self._batch = Batch(*(part.clone() for part in batch))
        usual, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(usual)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                _differentiate(self._network, self._loss, self._batch)
        usual.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._error = _differentiate(self._network, self._loss, self._batch)
        self._graph = graph


def _differentiate(network: FSRCNN, loss: Loss, batch: Batch) -> Tensor:
    network.zero_grad(set_to_none=True)
    minimized, error = loss(*batch)
    minimized.backward()
    return error


def loss_function(
    network: FSRCNN, name: Literal["mse", "rmse"], dtype: torch.dtype, device: torch.device
) -> Loss:
    """A function of lr and hr: what is minimised, and the mean squared error.

    `dtype` is that of the network's products. Both results are float32 scalars.
    """

    def subpixel(lr: Tensor) -> Tensor:
        # cuDNN's deconvolution is faster than the sub-pixel form, whose weights have to be gathered.
        if device.type == "cuda":
            return F.pixel_unshuffle(network(lr), network.scale)
        return network.subpixel(lr)

    def loss(lr: Tensor, hr: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            out = subpixel(lr)
        errors = (out.float() - hr).square().mean((1, 2, 3))
        error = errors.mean()
        return (error if name == "mse" else (errors + FLOOR).sqrt().mean()), error.detach()

    return loss


def _warn(reason: str) -> None:
    (line, *_) = reason.strip().splitlines() or [""]
    log.warning(
        "train.compile: the step can't be compiled here (%s); training goes on uncompiled, slower", line
    )
