"""Where the pictures begin in a sequence of patches, told by what neighbours share.

A patch shares columns with its right neighbour and rows with its lower one. Both are reduced to
64-bit keys, so that shapes are found without the patches at hand: 34 bytes a patch.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fsrcnn.data.hdf5 import BLOCK, Luma
from fsrcnn.data.pairs import SHRINKS

MOST_PATCHES = 1 << 18  # in one picture, which is put together in memory
VARIANTS = 20  # of a photograph in the published augmentation

Keys = NDArray[np.uint64]
Flags = NDArray[np.bool_]


class NotAssembledError(Exception):
    """The patches are not those of whole grids, row by row, picture after picture; says why."""


class Grid(NamedTuple):
    """The shape of one picture, in patches."""

    rows: int
    columns: int


class _Shared(NamedTuple):
    """What each of n patches shares with its neighbours.

    Patch k continues to the right in patch i where `right[i] == left[k]`, and downwards where
    `bottom[i] == top[k]`. Where what is shared does not change in that direction, equality proves
    nothing: there `texture_right` or `texture_bottom` is false.
    """

    left: Keys
    right: Keys
    top: Keys
    bottom: Keys
    texture_right: Flags
    texture_bottom: Flags


def find(blocks: Iterable[tuple[Luma, Luma]], scale: int) -> tuple[list[Grid], bool]:
    """The grids that blocks of patches are made of, as `hdf5.read_patches` gives them, in their order.

    With them whether, by their sizes, they are the published twenty variants of every photograph.
    Raises `NotAssembledError` where patches are missing, foreign or in another order, and where flat
    areas leave the width of a picture open.
    """
    finder = _Finder(blocks, scale)
    augmented = finder.augmented()
    return (finder.largest(), False) if augmented is None else (augmented, True)


def _keys(y: Luma, stride: int, seed: int) -> _Shared:
    side = y.shape[1]
    kept = side - stride
    bits = y.view(np.uint32)
    weights: Keys = np.random.default_rng(seed).integers(0, 1 << 63, side, np.uint64) * 2 + 1
    columns = np.einsum("nyx,y->nx", bits, weights)
    rows = np.einsum("nyx,x->ny", bits, weights)
    return _Shared(
        columns[:, :kept] @ weights[:kept],
        columns[:, stride:] @ weights[:kept],
        rows[:, :kept] @ weights[:kept],
        rows[:, stride:] @ weights[:kept],
        (columns[:, stride:] != columns[:, -1:]).any(1),
        (rows[:, stride:] != rows[:, -1:]).any(1),
    )


class _Finder:
    """Keeps the keys of all patches and finds the grids in them."""

    def __init__(self, blocks: Iterable[tuple[Luma, Luma]], scale: int) -> None:
        parts = []
        for lr, hr in blocks:
            self.side = lr.shape[1]
            if lr.shape[1] != lr.shape[2] or self.side <= scale:
                raise NotAssembledError(f"patches of {lr.shape[1:]} share nothing with their neighbours")
            small, large = _keys(lr, scale, seed=0), _keys(hr, scale**2, seed=1)
            parts.append(
                (
                    *(one + other for one, other in zip(small[:4], large[:4], strict=True)),
                    *(one | other for one, other in zip(small[4:], large[4:], strict=True)),
                )
            )
        self.scale = scale
        self.patches = patches = _Shared(*map(np.concatenate, zip(*parts, strict=True)))
        self.count = len(patches.left)
        self.joined = np.append(patches.right[:-1] == patches.left[1:], False)
        self.ends = np.flatnonzero(~self.joined)
        self.textured = np.flatnonzero(patches.texture_bottom)

    def augmented(self) -> list[Grid] | None:
        """The grids, if they are the published twenty variants of every photograph; else None.

        The sizes of the variants follow from the first, so that even pictures which meet in flat
        areas are told apart.
        """
        found: list[Grid] = []
        start = 0
        while start < self.count:
            columns = self._columns(start)
            most = self._rows(start, columns)
            if most * columns >= MOST_PATCHES:
                return None
            group = next(
                (
                    grids
                    for rows in range(most, 0, -1)
                    for grids in self._variants(rows, columns)
                    if self._fits(start, grids)
                ),
                None,
            )
            if group is None:
                return None
            found += group
            start += sum(rows * columns for rows, columns in group)
        return found

    def largest(self) -> list[Grid]:
        """The grids, each as large as what its patches share allows.

        Pictures of equal width that meet in rows of one flat value come out as one: nothing in
        their patches tells them apart.
        """
        found: list[Grid] = []
        start = pictures = rows = patches = 0
        while start < self.count:
            grid = self._settled(start)
            found.append(grid)
            end = start + grid.rows * grid.columns
            textured = self.patches.texture_bottom[start:end].reshape(grid)
            pictures += bool(textured.any())
            rows += int(textured.any(1).sum())
            patches += int(textured.sum())
            start = end
            # Patches that are not neighbours would pass as pictures of one patch or of one row.
            loose = 2 * rows > patches + 1 or 2 * pictures > rows + 1
            if loose and (patches >= BLOCK or start == self.count):
                raise NotAssembledError("most neighbours in the file are not neighbours in a picture")
        self._check_borders(found)
        return found

    def _settled(self, start: int) -> Grid:
        columns = self._columns(start)
        grid = Grid(self._rows(start, columns), columns)
        end = start + grid.rows * columns
        if grid.rows * columns >= MOST_PATCHES:
            raise NotAssembledError(f"a picture of {MOST_PATCHES} patches or more")
        known = self.patches.texture_bottom[start : end - columns].any()
        if not known and not self.patches.texture_right[start : end - 1].all():
            raise NotAssembledError(f"the width of the picture at patch {start} is lost in a flat area")
        return grid

    def _check_borders(self, grids: list[Grid]) -> None:
        """Refuse grids beside which a picture goes on elsewhere in the file: they are only parts of it."""
        shapes = [np.arange(rows * columns).reshape(rows, columns) for rows, columns in grids]
        starts = np.cumsum([0, *(places.size for places in shapes[:-1])])
        first, last, upper, lower = (
            np.concatenate([start + places[edge] for start, places in zip(starts, shapes, strict=True)])
            for edge in (np.s_[:, 0], np.s_[:, -1], np.s_[0], np.s_[-1])
        )
        p = self.patches
        for before, texture, after, ends, begins in (
            (p.right, p.texture_right, p.left, last, first),
            (p.bottom, p.texture_bottom, p.top, lower, upper),
        ):
            goes_on = ends[texture[ends] & np.isin(before[ends], after)]
            comes_from = begins[np.isin(after[begins], before[texture])]
            if len(goes_on) or len(comes_from):
                place = min([*goes_on, *comes_from])
                raise NotAssembledError(f"the picture at patch {place} goes on elsewhere in the file")

    def _columns(self, start: int) -> int:
        """The width of the picture that begins at `start`."""
        run = int(self.ends[np.searchsorted(self.ends, start)]) - start + 1
        # A run of equal neighbours may hold several rows, or pictures. The lower neighbour of a patch
        # that is not flat tells, if both are of this picture.
        place = np.searchsorted(self.textured, start)
        if place < len(self.textured):
            upper = int(self.textured[place])
            within = slice(upper + 1, upper + 1 + min(run, MOST_PATCHES))
            below = np.flatnonzero(self.patches.top[within] == self.patches.bottom[upper])
            width = int(below[0]) + 1 if len(below) else run
            if start + self._rows(start, width) * width > upper + width:
                return width
        return run

    def _rows(self, start: int, columns: int, most: int = MOST_PATCHES) -> int:
        """How many rows of this width hang together from `start` on; at most `most`, 0 for none."""
        rows = min(64, most)
        while True:
            end = min(start + rows * columns, self.count)
            beside = self.joined[start:end].copy()
            beside[columns - 1 :: columns] = True
            below = (
                self.patches.bottom[start : max(start, end - columns)]
                == self.patches.top[start + columns : end]
            )
            hanging = min(_run(beside) // columns, _run(below) // columns + 1)
            if hanging < rows or rows >= most or hanging * columns >= MOST_PATCHES:
                return hanging
            rows = min(2 * rows, most)

    def _fits(self, start: int, grids: list[Grid]) -> bool:
        for rows, columns in grids:
            if self._rows(start, columns, rows) < rows:
                return False
            start += rows * columns
        return True

    def _variants(self, rows: int, columns: int) -> Iterator[list[Grid]]:
        """All that the augmentation may make of a photograph whose first grid is this large."""
        for height in self._sides(rows):
            for width in self._sides(columns):
                yield [
                    Grid(*turned)
                    for r, c in zip(height, width, strict=True)
                    for turned in ((r, c), (c, r), (r, c), (c, r))
                ]

    def _sides(self, first: int) -> set[tuple[int, ...]]:
        """The patches along one side of a photograph at each size, if there are `first` at full size."""
        p, s = self.side, self.scale
        pixels = range((p + (first - 1) * s) * s, (p + first * s) * s)
        sides = {tuple((int(n * shrink) // s - p) // s + 1 for shrink in SHRINKS) for n in pixels}
        return {side for side in sides if min(side) > 0}


def _run(flags: Flags) -> int:
    """How many are true from the first on."""
    return len(flags) if flags.all() else int(flags.argmin())
