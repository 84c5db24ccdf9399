"""A pool for a training set that is larger than memory: its tiles come and go as training proceeds.

The set is visited in shuffled passes. Its tiles are written one behind the other into a ring, where
each new one takes the place of the oldest. What the ring holds at a step follows from the seed and the
step alone, so a resumed training and each of several workers sees what one that never stopped would.
"""

from collections import deque

import numpy as np

from fsrcnn.data.tiles import Tile
from fsrcnn.training.pool import PatchPool

REFRESH = 250  # steps after which the oldest tiles are replaced
REFRESH_PIXELS = 1 << 20  # HR pixels that are then read, in a twentieth of the time of those steps
STREAM = 1  # keeps the order of the tiles apart from what else the seed draws


class RollingPool(PatchPool):
    """A pool of `capacity` LR pixels, at least as many as the largest of the `tiles` has."""

    def __init__(self, scale: int, capacity: int, tiles: list[Tile], seed: int) -> None:
        super().__init__(scale, capacity)
        self._tiles, self._seed = tiles, seed
        self._restart()

    def at(self, step: int) -> None:
        """Hold what `step` is to see; reads nothing but what is not there yet."""
        refreshes = step // REFRESH
        if refreshes < self._refreshes:
            self._restart()
        if refreshes == self._refreshes:
            return
        unread: dict[int, Tile] = {}
        while self._refreshes < refreshes:
            self._refreshes += 1
            wanted = REFRESH_PIXELS // self.scale**2 if self._refreshes else self.pixels
            while wanted > 0:
                start, tile = self._place_next()
                unread[start] = tile
                wanted -= tile.pixels
        for start, tile in self._held:
            if unread.get(start) is tile:
                self.put(start, *tile.read())
        self.hold(list(self._held))

    def _restart(self) -> None:
        self._refreshes = -1  # the first one fills the ring
        self._held: deque[tuple[int, Tile]] = deque()  # the oldest first
        self._head = 0
        self._placed, self._order = 0, np.empty(0, np.int64)

    def _place_next(self) -> tuple[int, Tile]:
        """Take the next tile of the passes into the ring, and out of it those in whose place it lies."""
        number, index = divmod(self._placed, len(self._tiles))
        if index == 0:
            self._order = np.random.default_rng([self._seed, STREAM, number]).permutation(len(self._tiles))
        tile = self._tiles[self._order[index]]
        self._placed += 1
        if self._head + tile.pixels > self.pixels:
            while self._held and self._held[0][0] >= self._head:
                self._held.popleft()
            self._head = 0
        start, self._head = self._head, self._head + tile.pixels
        while self._held and start <= self._held[0][0] < self._head:
            self._held.popleft()
        self._held.append((start, tile))
        return start, tile
