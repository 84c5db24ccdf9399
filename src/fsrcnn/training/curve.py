"""The training curve: a row an epoch, and what ends it early."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fsrcnn.errors import InputError
from fsrcnn.evaluation.quality import psnr
from fsrcnn.training.loading import TrainingData

CHECK_EVERY = 100  # steps between two looks at the loss, which on a GPU wait for it


class Epoch(NamedTuple):
    """One row of the training curve; `loss` is the mean squared error, whichever loss is minimised.

    `seconds` are of training alone, from its start.
    """

    epoch: int
    step: int
    seconds: float
    loss: float
    train_psnr: float
    learning_rate: float
    validation_psnr: float | None

    def __str__(self) -> str:
        """The row as a line of a log."""
        validation = "-" if self.validation_psnr is None else f"{self.validation_psnr:.2f} dB"
        return f"{self.seconds:.0f} s  loss {self.loss:.3e}  validation PSNR {validation}"


@torch.no_grad()
def validation_psnr(
    upscale: Callable[[Tensor], Tensor], data: TrainingData, device: torch.device
) -> float | None:
    """Mean PSNR in dB over the validation images; None where there are none."""
    values = [psnr(upscale(lr.to(device)).clamp(0, 1), hr.to(device)) for lr, hr in data.validation]
    return sum(values) / len(values) if values else None


def diverged(loss: float, step: int, rate: float) -> InputError:
    """The error for a loss that is not finite, at `step`, counted from 0."""
    return InputError(
        f"training diverged: loss {loss} at step {step + 1}, learning rate {rate:.2g}; "
        "lower the learning rate"
    )
