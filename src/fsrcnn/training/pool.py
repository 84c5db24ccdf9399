"""Training data in memory: every pixel once, patches cut from it as they are needed.

LR is one flat array; HR stands beside it with the scale^2 pixels of each LR pixel in one row, the
order in which the sub-pixel form of the network gives them. So one index cuts both; the published
patch grid, which repeats a pixel up to 25 times, costs no memory, and nor do quarter turns and mirror
images: the index runs the other way, and the rows of HR are permuted.
"""

from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from fsrcnn.data.degradation import CLEAN
from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.luma import unit
from fsrcnn.data.tiles import Tile

GRID_PATCH = {2: 10, 3: 7, 4: 6}  # LR side of the published patches; their stride is the scale
SYMMETRIES = 8  # number 4*t + 2*v + h: mirrored left-right (h), then upside down (v), then transposed (t)


class Batch(NamedTuple):
    """`lr` (n, 1, p, p) and `hr` (n, scale^2, p, p), channels last, luma in 0..1."""

    lr: Tensor
    hr: Tensor


class PatchPool:
    """Images at one scale in memory, with ways to cut square LR patches from them.

    `orders` (8, scale^2): of HR's columns for each symmetry.
    `grid_count`: published patches of the training set, all variants; the pool may not hold them all.
    `largest_crop`: side of the crops that are possible throughout, where the set decides it.
    """

    def __init__(self, scale: int, capacity: int) -> None:
        """Make room for `capacity` LR pixels."""
        self.scale = scale
        self.lr = torch.zeros(capacity)
        self.hr = torch.zeros(capacity, scale**2)
        self.largest_crop: int | None = None
        pixels = np.arange(scale**2).reshape(scale, scale)
        turned = [_symmetric(pixels, number).reshape(-1) for number in range(SYMMETRIES)]
        self.orders = torch.from_numpy(np.stack(turned))
        self.hold([])
        self.grid_count = 0

    @classmethod
    def of_tiles(cls, scale: int, tiles: list[Tile]) -> Self:
        """A pool that holds all of the tiles, clean."""
        pool = cls(scale, sum(tile.pixels for tile in tiles))
        starts = np.cumsum([0, *(tile.pixels for tile in tiles)]).tolist()
        for start, tile in zip(starts, tiles, strict=False):
            pool.put(start, *tile.read(CLEAN))
        pool.hold(list(zip(starts, tiles, strict=False)))
        pool.grid_count = pool.count(GRID_PATCH[scale], scale)
        return pool

    @classmethod
    def of_pairs(cls, scale: int, pairs: list[Pair]) -> Self:
        """A pool of whole images."""
        return cls.of_tiles(scale, [_tile(pair) for pair in pairs])

    def put(self, start: int, lr: np.ndarray, hr: np.ndarray) -> None:
        """Write a block at LR pixel `start`: lr (n, h, w) and hr (n, h*scale, w*scale), 0..255."""
        n, h, w = lr.shape
        s = self.scale
        rows = hr.reshape(n, h, s, w, s).transpose(0, 1, 3, 2, 4).reshape(-1, s**2)
        self.lr[start : start + lr.size] = torch.from_numpy(unit(lr.reshape(-1)))
        self.hr[start : start + lr.size] = torch.from_numpy(unit(rows))

    def hold(self, tiles: list[tuple[int, Tile]]) -> None:
        """Say what there is to cut from: first pixel of each tile, and the tile."""
        rows = np.array([(first, *tile[:3]) for first, tile in tiles], np.int64).reshape(-1, 4)
        firsts, _, heights, widths = rows.repeat(rows[:, 1], axis=0).T.copy()
        within = np.concatenate([np.empty(0, np.int64), *(np.arange(tile.images) for _, tile in tiles)])
        self._starts, self._heights, self._widths = firsts + within * heights * widths, heights, widths
        self._tables: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def at(self, step: int) -> None:
        """Hold what the training step `step` is to see: here, the same at every step."""

    @property
    def pixels(self) -> int:
        """LR pixels there is room for."""
        return len(self.lr)

    def to(self, device: torch.device) -> Self:
        """Move the pool, in place."""
        for name in ("lr", "hr", "orders"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def count(self, side: int, stride: int = 1) -> int:
        """How many patches of `side` x `side` LR pixels there are, every `stride` pixels."""
        ends, _ = self._table(side, stride)
        return int(ends[-1]) if len(ends) else 0

    def places(
        self, numbers: np.ndarray, side: int, stride: int = 1, symmetry: np.ndarray | int = 0
    ) -> Tensor:
        """Where patches lie, for `cut`: those of `numbers`, image by image and row by row.

        With the published side and the scale as the stride, the order is that of section 4.1. `symmetry`
        turns or mirrors them. Returns (n, 4): first pixel, step to the next row, to the next column, and
        the symmetry.
        """
        ends, across = self._table(side, stride)
        image = ends.searchsorted(numbers, side="right")
        before = np.where(image > 0, ends[image - 1], 0)
        row, column = np.divmod(numbers - before, across[image])
        width = self._widths[image]
        first = self._starts[image] + (row * width + column) * stride
        kind = np.broadcast_to(symmetry, first.shape)
        across_back, down_back, transposed = kind & 1, kind >> 1 & 1, kind >> 2 == 1
        first = first + (side - 1) * (down_back * width + across_back)
        down, right = (1 - 2 * down_back) * width, 1 - 2 * across_back
        steps = np.where(transposed, right, down), np.where(transposed, down, right)
        places = torch.from_numpy(np.stack([first, *steps, kind], axis=1))
        # CUDA has taken so small a copy when the call returns: no need to wait for what the device does.
        return places.to(self.lr.device, non_blocking=self.lr.is_cuda)

    def grid(self) -> Tensor:
        """The published patches of the images held (section 4.1), in their order, as from `places`."""
        side, stride = GRID_PATCH[self.scale], self.scale
        return self.places(np.arange(self.count(side, stride)), side, stride)

    def cut(self, places: Tensor, side: int) -> Batch:
        """Cut `places` (n, 4) as square patches."""
        steps = torch.arange(side, device=places.device)
        first, down, right = (places[:, i, None, None] for i in range(3))
        index = (first + steps[:, None] * down + steps * right).flatten()
        lr = self.lr.index_select(0, index).view(-1, 1, side, side)
        hr = self.hr.index_select(0, index).view(-1, side, side, self.scale**2)
        order = self.orders[places[:, 3]][:, None, None]
        return Batch(lr, hr.gather(3, order.expand_as(hr)).permute(0, 3, 1, 2))

    def _table(self, side: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
        """For each image, the patches up to its end and those in a row of it."""
        if (side, stride) not in self._tables:
            down, across = (
                ((sides - side) // stride + 1).clip(min=0) for sides in (self._heights, self._widths)
            )
            self._tables[side, stride] = (down * across).cumsum(0), across
        return self._tables[side, stride]


def _tile(pair: Pair) -> Tile:
    height, width = pair.lr.shape
    return Tile(1, height, width, lambda _: (pair.lr[None], pair.hr[None]))


def _symmetric(image: np.ndarray, number: int) -> np.ndarray:
    turned = image[:: -1 if number & 2 else 1, :: -1 if number & 1 else 1]
    return turned.T if number & 4 else turned
