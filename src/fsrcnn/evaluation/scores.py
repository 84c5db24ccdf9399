"""PSNR and SSIM on the evaluation files, for bicubic interpolation and for networks."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fsrcnn.data import hdf5
from fsrcnn.data.hdf5 import Luma
from fsrcnn.data.pairs import upscale_bicubic
from fsrcnn.device import Device
from fsrcnn.errors import InputError
from fsrcnn.evaluation.quality import psnr, ssim
from fsrcnn.network.model import FSRCNN

BICUBIC = "bicubic"
Network = Callable[[Tensor], Tensor]  # as FSRCNN.forward


class Score(NamedTuple):
    """One method's figures on one image: `psnr` in dB, `ssim` at most 1, both on luma."""

    dataset: str
    protocol: str
    method: str
    image: str
    psnr: float
    ssim: float


def on_device(network: FSRCNN, device: Device) -> Network:
    """The network, ready to run through the framework that the device belongs to."""
    if isinstance(device, torch.device):
        return network.to(device)
    from fsrcnn.mindspore.network import from_torch, on_tensors  # needs MindSpore

    return on_tensors(from_torch(network))


def evaluate(
    folder: Path,
    scale: int,
    networks: Mapping[str, Network],
    device: torch.device,
    sets: Sequence[str] = (),
) -> list[Score]:
    """Score every image of every `<set>_<protocol>.h5` in `folder`, for bicubic and each network.

    `sets` names the sets in the order they are to come in, as for `evaluation_files`.

    `device` is where the networks expect their input.

    Raises `InputError` when the folder has no evaluation file.
    """
    scores = []
    for path in evaluation_files(folder, sets):
        dataset, protocol = path.stem.rsplit("_", 1)
        border = scale if protocol == "standard" else 0
        inner = slice(border, -border or None)
        for pair in map(hdf5.Pair.unit, hdf5.read_pairs(path, scale)):
            target = pair.hr[inner, inner]
            for method, image in upscaled(pair.lr, scale, networks, device):
                result = image[inner, inner]
                scores.append(
                    Score(
                        dataset,
                        protocol,
                        method,
                        pair.image,
                        psnr(torch.from_numpy(result), torch.from_numpy(target)),
                        ssim(result, target),
                    )
                )
    return scores


def evaluation_files(folder: Path, sets: Sequence[str] = ()) -> list[Path]:
    """The evaluation files of a folder: those of `sets` first, in its order, others by name.

    Raises `InputError` when there is none.
    """
    order = {name: place for place, name in enumerate(sets)}
    files = sorted(
        folder.glob("[!.]*_*.h5"),
        key=lambda path: (order.get(path.stem.rsplit("_", 1)[0], len(order)), path.stem),
    )
    if not files:
        raise InputError(f"{folder}: no evaluation files; run the download stage")
    return files


def data_digest(path: Path, scale: int) -> str:
    """SHA-256, in hex digits, of the images of an evaluation file, however the file is laid out.

    Figures are comparable where it is the same.
    """
    digest = hashlib.sha256()
    for pair in hdf5.read_pairs(path, scale):
        for image in (pair.lr, pair.hr):
            digest.update(repr(image.shape).encode())
            digest.update(np.ascontiguousarray(image, np.float32).tobytes())
    return digest.hexdigest()


def upscaled(
    lr: Luma, scale: int, networks: Mapping[str, Network], device: torch.device
) -> Iterator[tuple[str, Luma]]:
    """(method, `lr` enlarged to (h*scale, w*scale)) for bicubic and each network, luma in 0..1."""
    yield BICUBIC, upscale_bicubic(lr, scale).clip(0, 1)
    batch = torch.from_numpy(lr)[None, None].to(device)
    for method, network in networks.items():
        with torch.inference_mode():
            yield method, network(batch).clamp(0, 1)[0, 0].cpu().numpy()


def summarize(scores: list[Score]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Means over images: {set: {protocol: {method: {"psnr": dB, "ssim": ...}}}}."""
    groups: dict[tuple[str, str, str], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.dataset, score.protocol, score.method), []).append(score)
    result: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for (dataset, protocol, method), group in groups.items():
        result.setdefault(dataset, {}).setdefault(protocol, {})[method] = {
            "psnr": round(float(np.mean([s.psnr for s in group])), 4),
            "ssim": round(float(np.mean([s.ssim for s in group])), 5),
        }
    return result
