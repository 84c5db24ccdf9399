"""The training loop through MindSpore: the batches, Adam and MSE of training.py, the plain network.

Use it like `training.fit`; the network that comes back is the torch one. An interrupted training
starts again from the beginning.
"""

import logging
import math
import time
from collections.abc import Callable

import mindspore
import torch
from mindspore import nn, ops
from torch.nn import functional as F
from tqdm import tqdm

from fsrcnn.device import synchronize
from fsrcnn.errors import InputError
from fsrcnn.evaluation.quality import psnr_of_mse
from fsrcnn.mindspore.device import MindSporeDevice
from fsrcnn.mindspore.network import MindSporeFSRCNN, copy_to, from_torch, on_tensors
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import TrainSettings
from fsrcnn.training.batches import choose_batches
from fsrcnn.training.curve import CHECK_EVERY, Epoch, diverged, validation_psnr
from fsrcnn.training.loading import TrainingData
from fsrcnn.training.pool import Batch
from fsrcnn.training.schedule import lr_factor

log = logging.getLogger(__name__)

Step = Callable[[mindspore.Tensor, mindspore.Tensor], mindspore.Tensor]
SUPPORTED: dict[str, tuple[object, ...]] = {
    "optimizer": ("adam",),
    "loss": ("mse",),
    "precision": ("float32",),
    "ema_decay": (0.0,),
    "weight_decay": (0.0,),
}


def check(settings: TrainSettings) -> None:
    """Raise `InputError` for a setting that is not implemented with MindSpore."""
    for key, values in SUPPORTED.items():
        if (given := getattr(settings, key)) not in values:
            raise InputError(
                f"params.yaml: reference: {key} is {given}; "
                f"with framework mindspore it can only be {values[0]}"
            )


def fit(
    network: FSRCNN,
    data: TrainingData,
    settings: TrainSettings,
    *,
    device: MindSporeDevice,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Train, in place, those parameters that require a gradient; returns the curve.

    The network gets its new weights at the end of each epoch, before `on_epoch` is called.
    `settings.compile` has no meaning here: MindSpore always compiles the step. Raises `InputError`
    for settings that `check` refuses and when the loss stops being finite.
    """
    check(settings)
    batches, steps_per_epoch = choose_batches(data.pool, settings, seed)
    total = settings.epochs * steps_per_epoch
    factors = [lr_factor(settings.schedule, step, total, settings.warmup_steps) for step in range(total + 1)]
    cell = from_torch(network)
    step_of = build_step(cell, settings, factors[:total])
    everything = slice(0, settings.batch_size)
    curve: list[Epoch] = []
    seconds, losses = 0.0, 0.0
    unread: list[mindspore.Tensor] = []
    with tqdm(total=total, unit="step", disable=None, smoothing=0.05) as progress:
        for step in range(total):
            started = time.perf_counter()
            unread.append(step_of(*tensors(batches.cut(step, everything), network.scale)))
            is_epoch_over = (step + 1) % steps_per_epoch == 0
            if len(unread) == CHECK_EVERY or is_epoch_over:
                losses += _sum_of(unread, step + 1, settings.learning_rate)
                unread.clear()
            if is_epoch_over:
                synchronize(device)
            seconds += time.perf_counter() - started
            progress.update()
            if is_epoch_over:
                loss, losses = losses / steps_per_epoch, 0.0
                row = Epoch(
                    (step + 1) // steps_per_epoch,
                    step + 1,
                    seconds,
                    loss,
                    psnr_of_mse(loss),
                    settings.learning_rate * factors[step + 1],
                    validation_psnr(on_tensors(cell), data, torch.device("cpu")),
                )
                curve.append(row)
                log.info("epoch %d/%d  %.0f s  loss %.3e", row.epoch, settings.epochs, seconds, loss)
                copy_to(cell, network)
                on_epoch(row)
    return curve


def build_step(cell: MindSporeFSRCNN, settings: TrainSettings, factors: list[float]) -> Step:
    """One step of Adam as a compiled function of lr and hr; it returns the loss."""
    last = cell.deconvolution.trainable_params()
    rest = [p for p in cell.trainable_params() if not any(p is q for q in last)]
    rate = settings.learning_rate
    groups = [
        {"params": rest, "lr": [rate * f for f in factors]},
        {"params": last, "lr": [rate * settings.deconvolution_lr_factor * f for f in factors]},
    ]
    optimizer = nn.Adam([group for group in groups if group["params"]], learning_rate=groups[0]["lr"])

    def loss_of(lr: mindspore.Tensor, hr: mindspore.Tensor) -> mindspore.Tensor:
        return ops.mse_loss(cell(lr), hr)

    gradients_of = mindspore.value_and_grad(loss_of, None, optimizer.parameters)

    @mindspore.jit
    def step(lr: mindspore.Tensor, hr: mindspore.Tensor) -> mindspore.Tensor:
        loss, gradients = gradients_of(lr, hr)
        optimizer(gradients)
        return loss

    return step


def tensors(batch: Batch, scale: int) -> tuple[mindspore.Tensor, mindspore.Tensor]:
    """A batch as MindSpore has it: lr (n, 1, p, p) and hr (n, 1, p*scale, p*scale)."""
    hr = F.pixel_shuffle(batch.hr, scale)
    return tuple(mindspore.Tensor(part.contiguous().numpy()) for part in (batch.lr, hr))


def _sum_of(losses: list[mindspore.Tensor], done: int, rate: float) -> float:
    """The sum of the last losses; `done` steps are over."""
    values = [float(loss.asnumpy()) for loss in losses]
    for i, value in enumerate(values):
        if not math.isfinite(value):
            raise diverged(value, done - len(values) + i, rate)
    return sum(values)
