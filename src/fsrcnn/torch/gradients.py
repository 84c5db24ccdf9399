"""The loss and its gradients: by the kernel in C on the CPU, else by autograd, compiled where that works."""

import logging
from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor

from fsrcnn.errors import InputError
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import TrainSettings
from fsrcnn.training.kernel import FLOOR, Kernel
from fsrcnn.training.pool import Batch

log = logging.getLogger(__name__)

Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Gradients(Protocol):
    """Gives the network's parameters their gradients of a loss."""

    def compute(self, batch: Batch) -> Tensor:
        """Set the gradients for a batch; returns the mean squared error, a scalar."""


def choose_gradients(network: FSRCNN, settings: TrainSettings, side: int, device: torch.device) -> Gradients:
    """The fastest that there are, for crops of `side`; the settings' precision is float32 or bfloat16.

    With `settings.compile` the kernel is compiled now, autograd's step in its first. Whatever fails there, a
    compiler that is missing above all, costs a warning.
    """
    is_compiled = settings.compile
    if is_compiled and device.type == "cpu" and settings.precision == "float32":
        try:
            return KernelGradients(network, settings.loss, side)
        except InputError as failure:
            _warn(str(failure))
            is_compiled = False
    loss = loss_function(network, settings.loss, getattr(torch, settings.precision), device)
    return AutogradGradients(network, loss, compile=is_compiled)


class KernelGradients:
    """By kernel.c, several times as fast as autograd; of the same value for any number of threads."""

    def __init__(self, network: FSRCNN, loss: Literal["mse", "rmse"], side: int) -> None:
        """Raises `InputError` when the kernel can't be compiled."""
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
    def compute(self, batch: Batch) -> Tensor:
        """Set the gradients for a batch; returns the mean squared error, a scalar."""
        values = torch.cat([p.reshape(-1) for p in self._parameters])
        errors = self._kernel.compute(
            values.numpy(),
            batch.lr.numpy(),
            batch.hr.permute(0, 2, 3, 1).numpy(),
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

    def __init__(self, network: FSRCNN, loss: Loss, *, compile: bool) -> None:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network, self._loss, self._is_to_compile = network, loss, compile

    def compute(self, batch: Batch) -> Tensor:
        """Set the gradients for a batch; returns the mean squared error, a scalar."""
        if self._is_to_compile:
            self._is_to_compile = False
            uncompiled = self._loss
            try:
                self._loss = torch.compile(uncompiled, dynamic=False)
                return self._compute(batch)
            except Exception as failure:  # compilers and what drives them raise every kind of error
                self._loss = uncompiled
                lines = str(failure).strip().splitlines()
                _warn(f"{type(failure).__name__}: {lines[0]}" if lines else type(failure).__name__)
        return self._compute(batch)

    def _compute(self, batch: Batch) -> Tensor:
        self._network.zero_grad(set_to_none=True)
        loss, error = self._loss(*batch)
        loss.backward()
        return error


def loss_function(
    network: FSRCNN, name: Literal["mse", "rmse"], dtype: torch.dtype, device: torch.device
) -> Loss:
    """A function of lr and hr: what is minimised, and the mean squared error.

    `dtype` is that of the network's products. Both results are float32 scalars.
    """

    def loss(lr: Tensor, hr: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            out = network.subpixel(lr)
        errors = (out.float() - hr).square().mean((1, 2, 3))
        error = errors.mean()
        return (error if name == "mse" else (errors + FLOOR).sqrt().mean()), error.detach()

    return loss


def _warn(reason: str) -> None:
    log.warning(
        "train.compile: the step can't be compiled here (%s); training goes on uncompiled, slower", reason
    )
