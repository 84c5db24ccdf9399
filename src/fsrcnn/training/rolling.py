"""A pool whose tiles come and go as training proceeds: of a set that is larger than memory or degraded.

The set is visited in shuffled passes. Its tiles are written one behind the other into a ring, where
each new one takes the place of the oldest; LR of a degraded set is another one each time. What the ring
holds at a step follows from the seed and the step alone, so a resumed training and each of several
workers sees what one that never stopped would.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from fsrcnn.data.degradation import CLEAN, Degradation, random_photo
from fsrcnn.data.tiles import Tile
from fsrcnn.training.pool import PatchPool

REFRESH = 250  # steps after which the oldest tiles are replaced
REFRESH_PIXELS = 1 << 20  # HR pixels that are then read, in a twentieth of the time of those steps
REFRESH_PIXELS_DEGRADED = 1 << 22  # the same, of a set whose pictures are at hand and whose LR is to vary
ORDER, DEGRADATION = 1, 2  # keep what is drawn here apart from what else the seed draws


class Held(NamedTuple):
    """A tile in the ring: its first LR pixel there, and how many were placed before it."""

    start: int
    tile: Tile
    number: int


class RollingPool(PatchPool):
    """A pool of `capacity` LR pixels, at least as many as the largest of the `tiles` has.

    With `degraded`, LR of a tile goes through `random_photo` each time that the tile is placed.
    """

    def __init__(
        self, scale: int, capacity: int, tiles: list[Tile], seed: int, *, degraded: bool = False
    ) -> None:
        super().__init__(scale, capacity)
        self._tiles, self._seed, self._degraded = tiles, seed, degraded
        self._restart()

    def at(self, step: int) -> None:
        """Hold what `step` is to see; reads nothing but what is not there yet."""
        refreshes = step // REFRESH
        if refreshes < self._refreshes:
            self._restart()
        if refreshes == self._refreshes:
            return
        read = self._placed
        refresh = REFRESH_PIXELS_DEGRADED if self._degraded else REFRESH_PIXELS
        while self._refreshes < refreshes:
            self._refreshes += 1
            wanted = refresh // self.scale**2 if self._refreshes else self.pixels
            while wanted > 0:
                wanted -= self._place_next().pixels
        for start, tile, number in self._held:
            if number >= read:
                self.put(start, *tile.read(self._degradation(number)))
        self.hold([(start, tile) for start, tile, _ in self._held])

    def _degradation(self, number: int) -> Degradation:
        if not self._degraded:
            return CLEAN
        return random_photo(np.random.default_rng([self._seed, DEGRADATION, number]))

    def _restart(self) -> None:
        self._refreshes = -1  # the first one fills the ring
        self._held: deque[Held] = deque()  # the oldest first
        self._head = 0
        self._placed, self._order = 0, np.empty(0, np.int64)

    def _place_next(self) -> Tile:
        """Take the next tile of the passes into the ring, and out of it those in whose place it lies."""
        number, index = divmod(self._placed, len(self._tiles))
        if index == 0:
            self._order = np.random.default_rng([self._seed, ORDER, number]).permutation(len(self._tiles))
        tile = self._tiles[self._order[index]]
        placed, self._placed = self._placed, self._placed + 1
        if self._head + tile.pixels > self.pixels:
            while self._held and self._held[0].start >= self._head:
                self._held.popleft()
            self._head = 0
        start, self._head = self._head, self._head + tile.pixels
        while self._held and start <= self._held[0].start < self._head:
            self._held.popleft()
        self._held.append(Held(start, tile, placed))
        return tile
