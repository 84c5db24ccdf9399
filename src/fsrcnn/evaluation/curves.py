"""The curves of trainings, drawn."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from fsrcnn.files import atomic


def draw_curves(curves: Mapping[str, Sequence[Mapping[str, float | None]]], path: Path) -> None:
    """Write a PNG of each training's PSNR, on training patches and on held-out photographs, by seconds."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True)
    columns = {"train_psnr": "training patches", "validation_psnr": "validation photographs"}
    for axis, (column, title) in zip(axes, columns.items(), strict=True):
        lowest: list[float] = []
        for name, rows in curves.items():
            points = [(row["seconds"], psnr) for row in rows if (psnr := row[column]) is not None]
            if points:
                axis.plot(*zip(*points, strict=True), label=name, marker=".")
                axis.legend()
                lowest.append(min(psnr for _, psnr in points[math.ceil(len(points) / 10) :] or points))
        if lowest:  # the first epochs climb so far that all after them would lie on one line
            axis.set_ylim(bottom=min(lowest) - 0.2)
        axis.set(title=f"PSNR on {title} (dB)", xlabel="seconds of training")
        axis.grid(alpha=0.3)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})
