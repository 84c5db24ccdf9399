"""PSNR on pictures as people have them: reduced by other filters, and through JPEG of several qualities.

LR is made here of the evaluation sets' RGB pictures, every time the same. PSNR is that of the standard
protocol; SSIM would take longer than all else.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from fsrcnn.data import hdf5
from fsrcnn.data.degradation import GRID, Degradation
from fsrcnn.data.luma import unit
from fsrcnn.data.pairs import make_pair
from fsrcnn.evaluation.quality import psnr
from fsrcnn.evaluation.scores import Network, upscaled
from fsrcnn.network.model import FSRCNN

DEGRADATIONS = {
    **GRID,
    "area_jpeg75": Degradation("area", quality=75),
    "aliased_bilinear": Degradation("aliased bilinear"),  # as OpenCV's default reduces
}


class DegradedScore(NamedTuple):
    """One method's PSNR in dB on one picture whose LR went through one of `DEGRADATIONS`."""

    dataset: str
    degradation: str
    method: str
    psnr: float


def evaluate_degraded(
    folder: Path, scale: int, networks: Mapping[str, Network], device: torch.device, sets: Sequence[str]
) -> list[DegradedScore]:
    """Score bicubic and each network through each of `DEGRADATIONS`, on the `sets` that came as pictures.

    `folder` and `device` are as for `scores.evaluate`.
    """
    fast = {method: subpixel_form(network) for method, network in networks.items()}
    inner = slice(scale, -scale)
    return [
        DegradedScore(
            dataset,
            name,
            method,
            psnr(torch.from_numpy(image[inner, inner]), torch.from_numpy(unit(hr)[inner, inner])),
        )
        for dataset, picture in _pictures(folder, sets)
        for name, degradation in DEGRADATIONS.items()
        for lr, hr in [make_pair(picture, scale, "crop", degradation)]
        for method, image in upscaled(unit(lr), scale, fast, device)
    ]


def subpixel_form(network: Network) -> Network:
    """An equal network, twice as fast; MindSpore's as it is."""
    if not isinstance(network, FSRCNN):
        return network

    def form(y: Tensor) -> Tensor:
        return F.pixel_shuffle(network.subpixel(y), network.scale)

    return form


def summarize_degraded(scores: Sequence[DegradedScore]) -> dict[str, dict[str, dict[str, float]]]:
    """Means over pictures: {set: {degradation: {method: PSNR in dB}}}."""
    groups: dict[tuple[str, str, str], list[float]] = {}
    for score in scores:
        groups.setdefault((score.dataset, score.degradation, score.method), []).append(score.psnr)
    result: dict[str, dict[str, dict[str, float]]] = {}
    for (dataset, degradation, method), values in groups.items():
        of_set = result.setdefault(dataset, {})
        of_set.setdefault(degradation, {})[method] = round(float(np.mean(values)), 4)
    return result


def _pictures(folder: Path, sets: Sequence[str]) -> Iterator[tuple[str, Image.Image]]:
    for dataset in sets:
        path = folder / "pictures" / f"{dataset}.h5"
        if path.is_file():
            for _, pixels in hdf5.read_pictures(path):
                yield dataset, Image.fromarray(pixels)
