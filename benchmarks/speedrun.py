"""How long until x4 reaches the published 30.50 dB on Set5, from nothing, on this machine.

    python benchmarks/speedrun.py            # or: make speedrun

Trains with the recipe of params.yaml on a short schedule, once for each seed, and prints Set5 PSNR
(reference protocol) against seconds of training. Set5 is only watched: the schedule is fixed, and
nothing stops or is chosen by it. The time includes compilation, not the evaluations. For scale, the
usual training loop is timed in the same sitting and multiplied by its 20 epochs.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import torch
import yaml
from throughput import REFERENCE_BATCH, reference_seconds, write_patch_file

from fsrcnn.data import hdf5
from fsrcnn.files import atomic
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import TrainSettings
from fsrcnn.system import processor_name
from fsrcnn.torch.loop import fit
from fsrcnn.training import loading
from fsrcnn.training.curve import Epoch
from fsrcnn.training.loading import TrainingData

SCALE = 4
TARGET = 30.50  # dB on Set5, of the reference repository
SHORT = {
    "epochs": 12,
    "steps_per_epoch": 100,
    "warmup_steps": 50,
    "learning_rate": 0.03,
    "ema_decay": 0.99,
    "weight_decay": 0.0,  # features do not grow so large in so few steps
}
REFERENCE_EPOCHS = 20


def watching_set5(folder: Path, settings: TrainSettings) -> TrainingData:
    """The training data of `folder`, data/x4, with Set5 (reference protocol) as its held-out images."""
    training = loading.load(folder / "train", SCALE, settings, seed=1)
    pairs = hdf5.read_pairs(folder / "evaluation" / "Set5_reference.h5", SCALE)
    return TrainingData(training.pool, loading.as_tensors([(pair.lr[None], pair.hr[None]) for pair in pairs]))


def train(
    data: TrainingData,
    settings: TrainSettings,
    device: torch.device,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """The curve of a training from nothing, which compiles anew."""
    torch.manual_seed(seed)
    torch.compiler.reset()
    with tempfile.TemporaryDirectory() as cache, patch.dict(os.environ, XDG_CACHE_HOME=cache):
        return fit(FSRCNN(SCALE), data, settings, device=device, seed=seed, on_epoch=on_epoch)


def seconds_to(target: float, curve: Sequence[Epoch]) -> float | None:
    """Seconds of training until the held-out images read `target` dB; None if they never do."""
    return next((row.seconds for row in curve if (row.validation_psnr or 0.0) >= target), None)


def main() -> None:
    """Print the curve of every seed, then mean and spread of the time to the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/x4"))
    parser.add_argument("--target", type=float, default=TARGET, help="dB on Set5")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plot", type=Path, help="PNG file for the curves")
    arguments = parser.parse_args()
    section = yaml.safe_load(Path("params.yaml").read_text())["train"]
    settings = TrainSettings.parse("train", {**section, **SHORT})
    watched = watching_set5(arguments.data, settings)
    print(f"{processor_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    curves = []
    for seed in range(1, arguments.seeds + 1):
        print(f"seed {seed}: seconds, Set5 PSNR")
        curves.append(
            train(
                watched,
                settings,
                torch.device("cpu"),
                seed,
                lambda row: print(f"  {row.seconds:6.1f}  {row.validation_psnr:.2f}", flush=True),
            )
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patches.h5"
        grid = settings.model_copy(update={"sampling": "patches", "validation_share": 0.0})
        write_patch_file(loading.load(arguments.data / "train", SCALE, grid, seed=1).pool, path)
        usual = REFERENCE_EPOCHS * reference_seconds(path, steps=1000)
    finals = [curve[-1].validation_psnr or 0.0 for curve in curves]
    times = (seconds_to(arguments.target, curve) for curve in curves)
    reached = [seconds for seconds in times if seconds is not None]
    print(f"end of the schedule: {np.mean(finals):.2f} dB, from {min(finals):.2f} to {max(finals):.2f}")
    print(f"usual loop, batch {REFERENCE_BATCH}, {REFERENCE_EPOCHS} epochs: {usual:.0f} s")
    print(f"{arguments.target:.2f} dB: reached by {len(reached)} of {arguments.seeds} seeds")
    if reached:
        mean, spread = float(np.mean(reached)), max(reached) - min(reached)
        print(f"time: {mean:.0f} s in the mean, spread {spread:.0f} s; {usual / mean:.0f} times faster")
    if arguments.plot:
        draw(curves, arguments.target, usual, arguments.plot)


def draw(curves: Sequence[Sequence[Epoch]], target: float, usual: float, path: Path) -> None:
    """Set5 PSNR against seconds of training, each seed a line, beside the time of the usual loop."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for seed, curve in enumerate(curves, start=1):
        points = [(row.seconds, row.validation_psnr or 0.0) for row in curve]
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=f"seed {seed}")
    axes.axhline(target, color="grey", linestyle="--", label=f"published: {target:.2f} dB")
    axes.axvline(usual, color="firebrick", linestyle=":", label=f"usual loop, 20 epochs: {usual:.0f} s")
    axes.set(xscale="log", xlabel="seconds of training", ylabel="Set5 PSNR at x4 (dB)")
    axes.set_ylim(bottom=target - 0.5)
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="lower right")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)


if __name__ == "__main__":
    main()
