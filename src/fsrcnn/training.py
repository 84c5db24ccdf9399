"""The training loop: batches from a `PatchPool`, MSE on the sub-pixel form, one optimiser step.

Train from Python:

    data = patches.load(path, scale, settings.held_out_share)
    fit(network, data, settings, device=torch.device("cpu"), seed=1)
"""

import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from fsrcnn.device import synchronize
from fsrcnn.errors import InputError
from fsrcnn.model import FSRCNN
from fsrcnn.optimizer import build_optimizer
from fsrcnn.patches import GRID_PATCH, Batch, PatchPool, TrainingData
from fsrcnn.quality import psnr, psnr_of_mse
from fsrcnn.settings import Settings

log = logging.getLogger(__name__)

AVERAGE_EVERY = 8  # steps; an update of the average costs as much as one of Adam

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class TrainSettings(Settings):
    """The `train` section of params.yaml."""

    optimizer: Literal["adam", "soap"]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    deconvolution_rate: Annotated[float, Field(gt=0, le=100)]  # times learning_rate
    schedule: Literal["constant", "cosine", "linear"]
    warmup_steps: Annotated[int, Field(ge=0)]
    sampling: Literal["patches", "crops"]  # the published grid, or random crops with flips
    crop: Annotated[int, Field(ge=4, le=512)]  # LR side of a crop
    batch_size: Count
    epochs: Count
    steps_per_epoch: Count | None  # None: once over all patches
    average: Share  # decay of the weights' moving average; 0: the last weights
    held_out_share: Share  # of the training photographs, for validation
    precision: Literal["float32", "bfloat16"]
    compile: bool


class Epoch(NamedTuple):
    """One row of the training curve; `seconds` are of training alone, from its start."""

    epoch: int
    step: int
    seconds: float
    loss: float
    train_psnr: float
    learning_rate: float
    held_out_psnr: float | None


def fit(
    network: FSRCNN,
    data: TrainingData,
    settings: TrainSettings,
    *,
    device: torch.device,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Train in place those parameters that require a gradient; returns the curve.

    The network ends with the averaged weights where `settings.average` is set. The same seed on the
    same CPU gives the same weights. Raises `InputError` when the loss stops being finite.
    """
    generator = torch.Generator().manual_seed(seed)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pool = data.pool.to(device)
    steps_per_epoch = settings.steps_per_epoch or len(pool.grid()) // settings.batch_size
    if steps_per_epoch == 0:
        raise InputError(f"train.batch_size: {settings.batch_size} is more than all patches there are")
    total = settings.epochs * steps_per_epoch

    optimizer = build_optimizer(
        network, settings.optimizer, settings.learning_rate, settings.deconvolution_rate
    )
    scheduler = LambdaLR(optimizer, lambda step: _rate(step, total, settings))
    average = None
    if settings.average:
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.average**AVERAGE_EVERY))
    batches = _batches(pool, settings, generator)
    loss_of = _loss_function(network, settings, device)

    curve: list[Epoch] = []
    seconds = 0.0
    progress = tqdm(total=total, unit="step", disable=None, smoothing=0.05)
    for epoch in range(1, settings.epochs + 1):
        started = time.perf_counter()
        loss_sum = torch.zeros((), device=device)
        for step in range(1, steps_per_epoch + 1):
            loss = loss_of(*next(batches))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            scheduler.step()
            if average is not None and (step % AVERAGE_EVERY == 0 or step == steps_per_epoch):
                average.update_parameters(network)
            loss_sum += loss.detach()
            progress.update()
        synchronize(device)
        seconds += time.perf_counter() - started
        loss_mean = float(loss_sum) / steps_per_epoch
        if not math.isfinite(loss_mean):
            raise InputError(
                f"training diverged: loss {loss_mean} in epoch {epoch} at learning rate "
                f"{scheduler.get_last_lr()[0]:.2g}; lower train.learning_rate"
            )
        row = Epoch(
            epoch,
            epoch * steps_per_epoch,
            seconds,
            loss_mean,
            psnr_of_mse(loss_mean),
            float(scheduler.get_last_lr()[0]),
            _held_out_psnr(network if average is None else average.module, data, device),
        )
        curve.append(row)
        log.info(
            "epoch %d/%d  %.0f s  loss %.3e  held-out PSNR %s",
            epoch,
            settings.epochs,
            seconds,
            loss_mean,
            "-" if row.held_out_psnr is None else f"{row.held_out_psnr:.2f} dB",
        )
        on_epoch(row)
    progress.close()
    if average is not None:
        network.load_state_dict(average.module.state_dict())
    return curve


def _batches(pool: PatchPool, settings: TrainSettings, generator: torch.Generator) -> Iterator[Batch]:
    """Endless batches: shuffled passes over the published patches, or random crops."""
    if settings.sampling == "crops":
        while True:
            places = pool.random_crops(settings.batch_size, settings.crop, generator)
            yield pool.cut(places, settings.crop, mirror=True)
    places = pool.grid()
    while True:
        order = torch.randperm(len(places), generator=generator).to(places.device)
        for chunk in order.split(settings.batch_size)[: len(order) // settings.batch_size]:
            yield pool.cut(places[chunk], GRID_PATCH[pool.scale])


def _loss_function(
    network: FSRCNN, settings: TrainSettings, device: torch.device
) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(lr: Tensor, hr: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            out = network.subpixel(lr)
        return F.mse_loss(out.float(), hr)

    if not settings.compile:
        return loss
    if device.type == "cpu" and not shutil.which("g++"):
        log.warning("train.compile: no C++ compiler (g++) found; training runs uncompiled, slower")
        return loss
    compiled: Callable[[Tensor, Tensor], Tensor] = torch.compile(loss, dynamic=False)
    return compiled


def _rate(step: int, total: int, settings: TrainSettings) -> float:
    """The factor on the learning rate at a step: linear warm-up, then the schedule down to zero."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, total - settings.warmup_steps)
    if settings.schedule == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    return 1 - done if settings.schedule == "linear" else 1.0


@torch.no_grad()
def _held_out_psnr(network: torch.nn.Module, data: TrainingData, device: torch.device) -> float | None:
    if not data.held_out:
        return None
    values = [psnr(network(lr.to(device)).clamp(0, 1), hr.to(device)) for lr, hr in data.held_out]
    return sum(values) / len(values)
