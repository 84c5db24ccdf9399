"""Makes files in the layout of the published training files, for tests."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.pairs import augment, make_pair
from fsrcnn.training.pool import GRID_PATCH


def write_published(path: Path, pictures: Iterable[tuple[str, Image.Image]], scale: int) -> int:
    """Write what the published recipe makes of photographs; returns how many patches.

    Twenty variants of each, HR resized to a multiple of the scale, all patches of the grid.
    `pictures` are (name, RGB image), as `samples.photographs` and `folder.read_folder` give them.
    """
    return write_grid(path, published_pairs(pictures, scale), scale)


def published_pairs(pictures: Iterable[tuple[str, Image.Image]], scale: int) -> list[Pair]:
    """The whole pictures that `write_published` cuts into patches."""
    return [
        Pair(*make_pair(changed, scale, "resize"), name, variant)
        for name, image in pictures
        for variant, changed in augment(image)
    ]


def write_grid(path: Path, pairs: Sequence[Pair], scale: int) -> int:
    """Write the patches of whole pictures, picture after picture; returns how many."""
    p = GRID_PATCH[scale]
    count = sum(len(grid(pair.lr, p, scale)) for pair in pairs)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:  # contiguous and without attributes, as the published ones
        lr = file.create_dataset("lr", (count, p, p), np.float32)
        hr = file.create_dataset("hr", (count, p * scale, p * scale), np.float32)
        start = 0
        for pair in pairs:
            small, large = grid(pair.lr, p, scale), grid(pair.hr, p * scale, scale**2)
            lr[start : start + len(small)] = small
            hr[start : start + len(large)] = large
            start += len(small)
    return count


def grid(y: np.ndarray, side: int, stride: int) -> np.ndarray:
    """All patches (n, side, side) of a picture (h, w), row by row; none where it is too small."""
    if min(y.shape) < side:
        return np.empty((0, side, side), y.dtype)
    windows = np.lib.stride_tricks.sliding_window_view(y, (side, side))[::stride, ::stride]
    return windows.reshape(-1, side, side)
