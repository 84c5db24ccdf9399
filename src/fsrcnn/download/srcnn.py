"""Files in the SRCNN layout, whose `lr` is as large as `hr`, turned into the FSRCNN layout."""

import logging
from pathlib import Path

import numpy as np

from fsrcnn.data import hdf5
from fsrcnn.data.hdf5 import Luma, Pair
from fsrcnn.data.pairs import resize_luma

log = logging.getLogger(__name__)


def rebuild(path: Path, target: Path, scale: int, *, source: str) -> None:
    """Write `target` in the FSRCNN layout: `hr` as in `path`, `lr` its bicubic reduction.

    The sides of `hr` are first resized to a multiple of the scale, as the published data does.
    Raises `InputError` when `path` does not have the SRCNN layout.
    """
    log.warning(
        "%s: SRCNN layout (lr is as large as hr), which FSRCNN can't be trained on; "
        "lr is rebuilt from hr by bicubic reduction",
        path.name,
    )
    made = "lr rebuilt by bicubic reduction from the hr of a file in the SRCNN layout"
    if hdf5.describe(path, scale).layout == "images":
        pairs = (
            Pair(*_reduce(pair.hr, scale), pair.image, pair.variant)
            for pair in hdf5.read_pairs(path, scale, srcnn=True)
        )
        hdf5.write_pairs(target, pairs, scale, source=source, made=made)
        return
    blocks = (_stack([_reduce(y, scale) for y in hr]) for _, hr in hdf5.read_patches(path, scale, srcnn=True))
    hdf5.write_patches(target, blocks, scale, source=source, made=made)


def _reduce(hr: Luma, scale: int) -> tuple[Luma, Luma]:
    h, w = hr.shape[0] // scale, hr.shape[1] // scale
    hr = resize_luma(hr, h * scale, w * scale)
    return resize_luma(hr, h, w), hr


def _stack(pairs: list[tuple[Luma, Luma]]) -> tuple[Luma, Luma]:
    lr, hr = zip(*pairs, strict=True)
    return np.stack(lr), np.stack(hr)
