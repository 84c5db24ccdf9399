"""Training data in memory: every pixel once, patches cut from it as they are needed.

LR is one flat array; HR stands beside it with the scale^2 pixels of each LR pixel in one row, the
order in which the sub-pixel form of the network gives them. So one index cuts both, and the
published patch grid, which repeats a pixel up to 25 times, costs no memory.
"""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from fsrcnn.data import hdf5
from fsrcnn.data.prepared import training_files
from fsrcnn.errors import InputError

Block = tuple[np.ndarray, np.ndarray]  # equally large images: lr (n, h, w) and hr (n, h*scale, w*scale)
GRID_PATCH = {2: 10, 3: 7, 4: 6}  # LR side of the published patches; their stride is the scale


class Batch(NamedTuple):
    """`lr` (n, 1, p, p) and `hr` (n, scale^2, p, p), channels last, luma in 0..1."""

    lr: Tensor
    hr: Tensor


class PatchPool:
    """All training images at one scale, with ways to cut square LR patches from them."""

    def __init__(self, scale: int, blocks: list[Block]) -> None:
        """Take blocks of equally large images: lr (n, h, w) and hr (n, h*scale, w*scale), 0..255."""
        self.scale = scale
        lr, hr, starts, heights, widths = [], [], [], [], []
        start = 0
        for small, large in blocks:
            n, h, w = small.shape
            lr.append(torch.from_numpy(small.reshape(-1)) / 255)
            rows = large.reshape(n, h, scale, w, scale).transpose(0, 1, 3, 2, 4)
            hr.append(torch.from_numpy(rows.reshape(-1, scale**2)) / 255)
            starts.append(start + torch.arange(n) * (h * w))
            heights.append(torch.full((n,), h))
            widths.append(torch.full((n,), w))
            start += n * h * w
        self.lr, self.hr = torch.cat(lr), torch.cat(hr)
        self.starts, self.heights, self.widths = map(torch.cat, (starts, heights, widths))

    @classmethod
    def of_pairs(cls, scale: int, pairs: list[hdf5.Pair]) -> Self:
        """A pool of whole images."""
        return cls(scale, [(pair.lr[None], pair.hr[None]) for pair in pairs])

    @property
    def pixels(self) -> int:
        """LR pixels in the pool."""
        return len(self.lr)

    def to(self, device: torch.device) -> Self:
        """Move the pool, in place."""
        for name in ("lr", "hr", "starts", "heights", "widths"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def grid(self) -> Tensor:
        """The published patches (section 4.1), in their order: (n, 2) first pixel and row length."""
        p, stride = GRID_PATCH[self.scale], self.scale
        rows = []
        for start, h, w in zip(
            self.starts.tolist(), self.heights.tolist(), self.widths.tolist(), strict=True
        ):
            top = torch.arange(0, h - p + 1, stride)[:, None] * w
            left = torch.arange(0, w - p + 1, stride)[None, :]
            first = (start + top + left).flatten()
            rows.append(torch.stack([first, torch.full_like(first, w)], dim=1))
        return torch.cat(rows).to(self.lr.device)

    def random_crops(self, count: int, side: int, random: np.random.Generator) -> Tensor:
        """`count` crops, uniform over all positions of all images: (count, 2), as from `grid`.

        Raises `InputError` when no image is as large as `side`.
        """
        down = (self.heights - side + 1).clamp(min=0)
        across = (self.widths - side + 1).clamp(min=0)
        ends = (down * across).cumsum(0)
        if not len(ends) or ends[-1] == 0:
            raise InputError(
                f"train.crop: {side} is larger than every training image or patch; make it smaller"
            )
        drawn = torch.from_numpy(random.integers(int(ends[-1]), size=count)).to(ends.device)
        image = torch.searchsorted(ends, drawn, right=True)
        within = drawn - (ends - down * across)[image]
        row, column = within // across[image], within % across[image]
        width = self.widths[image]
        return torch.stack([self.starts[image] + row * width + column, width], dim=1)

    def cut(self, places: Tensor, side: int, mirror: bool = False) -> Batch:
        """Cut `places` (n, 2) as square patches; with `mirror` every second one is left-right flipped.

        The data holds the four rotations already, so the flip completes the eight symmetries.
        """
        steps = torch.arange(side, device=places.device)
        first, width = places[:, 0, None, None], places[:, 1, None, None]
        index = first + steps[:, None] * width + steps
        lr, hr = self.lr[index], self.hr[index]
        if mirror:
            lr[::2] = lr[::2].flip(2)
            s = self.scale
            blocks = hr.view(-1, side, side, s, s)
            blocks[::2] = blocks[::2].flip(2, 4)
        return Batch(lr[:, None], hr.permute(0, 3, 1, 2))


class TrainingData(NamedTuple):
    """What `load` found: the pool to train on, and held-out images, empty where none were asked for.

    Each held-out entry is lr (n, 1, h, w) and hr (n, 1, h*scale, w*scale), luma in 0..1.
    """

    pool: PatchPool
    validation: list[tuple[Tensor, Tensor]]


def load(folder: Path, scale: int, validation_share: float) -> TrainingData:
    """Read the training sets of a folder and hold a share of each out for validation.

    From whole images, evenly spaced photographs are held out with all their variants, and only the
    unaltered one is used; from patches, which don't say where they come from, the last ones are.
    Raises `InputError` for a file that is not a training file.
    """
    training, validation = [], []
    for path in training_files(folder):
        kept, held_out = _split(path, scale, validation_share)
        training += kept
        validation += held_out
    return TrainingData(PatchPool(scale, training), as_tensors(validation))


def _split(path: Path, scale: int, validation_share: float) -> tuple[list[Block], list[Block]]:
    """The blocks of one set to train on, and those held out."""
    if hdf5.describe(path, scale).layout == "patches":
        blocks = list(hdf5.read_patches(path, scale))
        lr, hr = (np.concatenate(part) for part in zip(*blocks, strict=True))
        keep = len(lr) - round(len(lr) * validation_share)
        return [(lr[:keep], hr[:keep])], [(lr[keep:], hr[keep:])] if keep < len(lr) else []
    pairs = list(hdf5.read_pairs(path, scale))
    names = sorted({pair.image for pair in pairs})
    count = max(1, round(len(names) * validation_share)) if validation_share else 0
    chosen = {names[(2 * i + 1) * len(names) // (2 * count)] for i in range(count)}
    if len(chosen) == len(names):
        raise InputError(
            f"{path}: {len(names)} photographs are too few to hold some out; set train.validation_share to 0"
        )
    whole = {pair.image: pair for pair in reversed(pairs) if pair.image in chosen}
    training = [(pair.lr[None], pair.hr[None]) for pair in pairs if pair.image not in chosen]
    return training, [(pair.lr[None], pair.hr[None]) for pair in whole.values()]


def as_tensors(blocks: list[Block]) -> list[tuple[Tensor, Tensor]]:
    """Blocks of images (n, h, w) in 0..255, LR and HR, as (n, 1, h, w) in 0..1."""
    return [(torch.from_numpy(lr)[:, None] / 255, torch.from_numpy(hr)[:, None] / 255) for lr, hr in blocks]
