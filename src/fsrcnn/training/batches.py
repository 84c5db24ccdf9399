"""Which pixels a training step sees.

Batch `step` is a function of the seed and of `step` alone. So a resumed training goes on as if it
had never stopped, and data-parallel workers cut their shares of one batch without talking.
"""

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor

from fsrcnn.errors import InputError
from fsrcnn.settings import TrainSettings
from fsrcnn.training.pool import GRID_PATCH, SYMMETRIES, Batch, PatchPool


class Batches(ABC):
    """Batches of square patches, `side` LR pixels wide."""

    def __init__(self, pool: PatchPool, side: int, seed: int, batch_size: int) -> None:
        self._pool, self.side, self._seed, self._batch_size = pool, side, seed, batch_size

    @abstractmethod
    def places(self, step: int, part: slice) -> Tensor:
        """Where the batch of `step`, counted from 0, lies in the pool; `part` of it, for one worker."""

    def cut(self, step: int, part: slice) -> Batch:
        """The same, cut."""
        return self._pool.cut(self.places(step, part), self.side)


class RandomCrops(Batches):
    """Crops uniform over all positions of all images, each turned or mirrored by chance."""

    def __init__(self, pool: PatchPool, seed: int, batch_size: int, side: int) -> None:
        super().__init__(pool, min(side, pool.largest_crop or side), seed, batch_size)

    def places(self, step: int, part: slice) -> Tensor:
        """Where the batch of `step`, counted from 0, lies in the pool; `part` of it, for one worker.

        Raises `InputError` when no image of the pool is as large as a crop.
        """
        self._pool.at(step)
        count = self._pool.count(self.side)
        if count == 0:
            raise InputError(f"train.crop: {self.side} is larger than every training image; make it smaller")
        random = np.random.default_rng([self._seed, step])
        numbers = random.integers(count, size=self._batch_size)
        symmetries = random.integers(SYMMETRIES, size=self._batch_size)
        return self._pool.places(numbers[part], self.side, symmetry=symmetries[part])


class GridPasses(Batches):
    """Shuffled passes over the published patches; what does not fill a batch is left out of a pass.

    Raises `InputError` when there are fewer patches than a batch takes.
    """

    def __init__(self, pool: PatchPool, seed: int, batch_size: int) -> None:
        super().__init__(pool, GRID_PATCH[pool.scale], seed, batch_size)
        self._stride = pool.scale
        self._count = pool.count(self.side, self._stride)
        self._order, self._pass = np.arange(self._count), -1
        self.per_pass = self._count // batch_size
        if self.per_pass == 0:
            raise InputError(f"train.batch_size: {batch_size} is more than all patches there are")

    def places(self, step: int, part: slice) -> Tensor:
        """Where the batch of `step`, counted from 0, lies in the pool; `part` of it, for one worker."""
        number, index = divmod(step, self.per_pass)
        if number != self._pass:
            self._order = np.random.default_rng([self._seed, number]).permutation(self._count)
            self._pass = number
        start = index * self._batch_size
        numbers = self._order[start : start + self._batch_size][part]
        return self._pool.places(numbers, self.side, self._stride)


def choose_batches(pool: PatchPool, settings: TrainSettings, seed: int) -> tuple[Batches, int]:
    """The batches that the settings ask for, and the steps of an epoch."""
    if settings.sampling == "patches":
        passes = GridPasses(pool, seed, settings.batch_size)
        return passes, settings.steps_per_epoch or passes.per_pass
    crops = RandomCrops(pool, seed, settings.batch_size, settings.crop)
    return crops, settings.steps_per_epoch or max(1, pool.grid_count // settings.batch_size)
