"""The loss and its gradients, compiled where that works."""

import logging
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from fsrcnn.network.model import FSRCNN
from fsrcnn.training.pool import Batch

log = logging.getLogger(__name__)

FLOOR = 1e-6  # of a crop's squared error under a root, whose slope at 0 is infinite

Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


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


class Gradients:
    """Gives the network's parameters their gradients of a loss.

    With `compile` the loss is compiled in the first call. Whatever fails there, a compiler that is
    missing above all, costs a warning: nothing but gradients has changed, and they are computed anew.
    """

    def __init__(self, network: FSRCNN, loss: Loss, *, compile: bool) -> None:
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
                log.warning(
                    "train.compile: the step can't be compiled here (%s); training goes on uncompiled, "
                    "slower. On the CPU it needs g++ and Python's headers (python3-dev)",
                    _in_one_line(failure),
                )
        return self._compute(batch)

    def _compute(self, batch: Batch) -> Tensor:
        self._network.zero_grad(set_to_none=True)
        loss, error = self._loss(*batch)
        loss.backward()
        return error


def _in_one_line(failure: Exception) -> str:
    lines = str(failure).strip().splitlines()
    return f"{type(failure).__name__}: {lines[0]}" if lines else type(failure).__name__
