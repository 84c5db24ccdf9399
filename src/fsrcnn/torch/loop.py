"""The training loop: batches from a `PatchPool`, the error of the sub-pixel form, one optimiser step.

Train from Python:

    data = loading.load(folder, scale, settings, seed=1)
    fit(network, data, settings, device=torch.device("cpu"), seed=1)
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from tqdm import tqdm

from fsrcnn.device import synchronize
from fsrcnn.errors import InputError
from fsrcnn.evaluation.quality import psnr_of_mse
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import TrainSettings
from fsrcnn.torch import ema
from fsrcnn.torch.gradients import GraphGradients, KernelGradients, choose_gradients
from fsrcnn.torch.interrupts import Interrupts
from fsrcnn.torch.optimizer import build_optimizer, decay_weights
from fsrcnn.torch.resume import TrainingState
from fsrcnn.torch.workers import Workers
from fsrcnn.training.batches import choose_batches
from fsrcnn.training.curve import CHECK_EVERY, Epoch, diverged, validation_psnr
from fsrcnn.training.loading import TrainingData
from fsrcnn.training.schedule import lr_factor

log = logging.getLogger(__name__)

SAVE_EVERY = 20.0  # seconds of work that a kill may cost
ALONE = Workers()


def fit(
    network: FSRCNN,
    data: TrainingData,
    settings: TrainSettings,
    *,
    device: torch.device,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    state: TrainingState | None = None,
    workers: Workers = ALONE,
) -> list[Epoch]:
    """Train in place those parameters that require a gradient; returns the curve.

    The network ends with the averaged weights where `settings.ema_decay` is set. The same seed on the
    same CPU gives the same weights. With `state` the training is saved there from time to time and
    when it is interrupted, and goes on from what it finds there; `on_epoch` is then called for the
    epochs that are left. `workers` share each batch.

    Raises `InputError` when the loss stops being finite; `state` then holds the last good state.
    """
    network.to(device)
    training = _Training(network, data, settings, device=device, seed=seed, workers=workers)
    if state and (saved := state.load()):
        training.restore(saved)
        log.info("%s: going on from step %d of %d", state.path, training.step, training.total)
    if workers.average(torch.tensor(float(training.step), device=device)) != training.step:
        raise InputError(f"workers found different states; put {state and state.path} where all can read it")
    keeps = state if workers.is_main else None
    saved_at = time.perf_counter()
    progress = tqdm(
        total=training.total,
        initial=training.step,
        unit="step",
        disable=None if workers.is_main else True,
        smoothing=0.05,
    )
    with Interrupts() as interrupts, progress:
        try:
            while not training.is_done:
                row = None
                is_due = time.perf_counter() - saved_at > SAVE_EVERY
                if training.is_epoch_over:
                    training.check_loss()
                    with interrupts.held:
                        row = training.end_epoch()
                else:
                    training.advance(interrupts)
                    progress.update()
                    if is_due or training.step % CHECK_EVERY == 0:
                        training.check_loss()
                if keeps and (row or is_due):
                    keeps.save(training.snapshot())
                    saved_at = time.perf_counter()
                if row:
                    log.info("epoch %d/%d  %s", row.epoch, settings.epochs, row)
                    on_epoch(row)
        except KeyboardInterrupt:
            advice = ""
            if keeps:
                training.check_loss()
                keeps.save(training.snapshot())
                advice = f"; run it again to go on from {keeps.path}"
            raise KeyboardInterrupt(
                f"training interrupted after step {training.step} of {training.total}{advice}"
            ) from None
    training.finish()
    return training.curve


@contextmanager
def _one_thread() -> Iterator[None]:
    """What is too small to be shared is summed in one order, and so rounded alike, on any number of cores.

    And the threads of PyTorch's pool, which look for work for a while after each share of it, take no core
    from those of the kernel.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Training:
    """What changes from step to step, and one step."""

    def __init__(
        self,
        network: FSRCNN,
        data: TrainingData,
        settings: TrainSettings,
        *,
        device: torch.device,
        seed: int,
        workers: Workers,
    ) -> None:
        self.network, self.data, self.settings, self.device = network, data, settings, device
        self.workers, self.part = workers, workers.part(settings.batch_size)
        self.batches, self.steps_per_epoch = choose_batches(data.pool.to(device), settings, seed)
        self.total = settings.epochs * self.steps_per_epoch
        started = time.perf_counter()
        self.gradients = choose_gradients(network, settings, data.pool, self.batches.side, device)
        self.optimizer = build_optimizer(
            network,
            settings.optimizer,
            settings.learning_rate,
            settings.deconvolution_lr_factor,
            compile=isinstance(self.gradients, KernelGradients | GraphGradients),
        )
        self.seconds = time.perf_counter() - started  # of compiling
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.average = None
        if settings.ema_decay:
            self.average = ema.moving_average(network, settings.ema_decay)
        self.step = 0
        self.losses = torch.zeros(self.steps_per_epoch, device=device)
        self.curve: list[Epoch] = []

    @property
    def is_epoch_over(self) -> bool:
        """Whether the steps of an epoch are done and its row is due."""
        return self.step == (len(self.curve) + 1) * self.steps_per_epoch

    @property
    def is_done(self) -> bool:
        """Whether every epoch has its row."""
        return len(self.curve) == self.settings.epochs

    def advance(self, interrupts: Interrupts) -> None:
        """One step of the optimiser; an interruption leaves it done or not begun."""
        started = time.perf_counter()
        places = self.batches.places(self.step, self.part)
        error = self.gradients.compute(places)
        self.workers.average_gradients(self.network.parameters())
        factor = self._lr_factor(self.step)
        with interrupts.held, _one_thread():
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * factor
            self.optimizer.step()
            if self.settings.weight_decay:
                decay_weights(self.optimizer, self.settings.weight_decay)
            self.losses[self.step % self.steps_per_epoch] = error
            self.step += 1
            if self.average is not None and (
                self.step % ema.EVERY == 0 or self.step % self.steps_per_epoch == 0
            ):
                self.average.update_parameters(self.network)
            self.seconds += time.perf_counter() - started

    def _lr_factor(self, step: int) -> float:
        return lr_factor(self.settings.schedule, step, self.total, self.settings.warmup_steps)

    def check_loss(self) -> None:
        """Raise `InputError` if a loss since the start of the epoch is not finite."""
        started = time.perf_counter()
        done = (self.step - 1) % self.steps_per_epoch + 1
        bad = (~torch.isfinite(self.losses[:done])).nonzero()
        self.seconds += time.perf_counter() - started  # in which a GPU catches up
        if len(bad):
            first = int(bad[0])
            step = self.step - done + first
            raise diverged(float(self.losses[first]), step, self.rates[0] * self._lr_factor(step))

    def end_epoch(self) -> Epoch:
        """Add the epoch's row to the curve."""
        started = time.perf_counter()
        synchronize(self.device)
        self.seconds += time.perf_counter() - started
        loss = float(self.workers.average(self.losses.mean()))
        row = Epoch(
            self.step // self.steps_per_epoch,
            self.step,
            self.seconds,
            loss,
            psnr_of_mse(loss),
            self.rates[0] * self._lr_factor(self.step),
            validation_psnr(
                self.network if self.average is None else self.average.module, self.data, self.device
            ),
        )
        self.curve.append(row)
        return row

    def snapshot(self) -> dict[str, Any]:
        """All that `restore` needs."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "curve": [row._asdict() for row in self.curve],
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go back to a snapshot."""
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.losses.copy_(saved["losses"])
        self.curve = [Epoch(**row) for row in saved["curve"]]
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(saved["average"])

    def finish(self) -> None:
        """Give the network its averaged weights."""
        if self.average is not None:
            self.network.load_state_dict(self.average.module.state_dict())
