"""Which pixels a training step sees.

Batch `step` is a function of the seed and of `step` alone. So a resumed training goes on as if it
had never stopped, and data-parallel workers cut their shares of one batch without talking.
"""

import numpy as np
import torch

from fsrcnn.errors import InputError
from fsrcnn.training.pool import GRID_PATCH, Batch, PatchPool


class RandomCrops:
    """Crops uniform over all positions of all images, every second one mirrored."""

    def __init__(self, pool: PatchPool, seed: int, batch_size: int, side: int) -> None:
        self._pool, self._seed, self._batch_size, self._side = pool, seed, batch_size, side

    def cut(self, step: int, part: slice) -> Batch:
        """The batch of `step`, counted from 0; `part` of it, for one worker."""
        random = np.random.default_rng([self._seed, step])
        places = self._pool.random_crops(self._batch_size, self._side, random)
        return self._pool.cut(places[part], self._side, mirror=True)


class GridPasses:
    """Shuffled passes over the published patches; what does not fill a batch is left out of a pass.

    Raises `InputError` when there are fewer patches than a batch takes.
    """

    def __init__(self, pool: PatchPool, seed: int, batch_size: int) -> None:
        self._pool, self._seed, self._batch_size = pool, seed, batch_size
        self._places = pool.grid()
        self._order, self._pass = self._places, -1
        self.per_pass = len(self._places) // batch_size
        if self.per_pass == 0:
            raise InputError(f"train.batch_size: {batch_size} is more than all patches there are")

    def cut(self, step: int, part: slice) -> Batch:
        """The batch of `step`, counted from 0; `part` of it, for one worker."""
        number, index = divmod(step, self.per_pass)
        if number != self._pass:
            order = np.random.default_rng([self._seed, number]).permutation(len(self._places))
            self._order = self._places[torch.from_numpy(order).to(self._places.device)]
            self._pass = number
        start = index * self._batch_size
        places = self._order[start : start + self._batch_size]
        return self._pool.cut(places[part], GRID_PATCH[self._pool.scale])
