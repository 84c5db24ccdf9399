"""The published training patches, put back together into the pictures they were cut from.

A published file holds the patches of a grid whose stride is the scale in LR pixels, row by row,
picture after picture, and says nothing of where a picture begins. It is read twice: first for the
shapes of the pictures (`grids`), then for the pictures themselves, in which every patch is compared
with what was published. A picture lacks less than one stride at its right and at its bottom.
"""

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fsrcnn.data import hdf5
from fsrcnn.data.hdf5 import Luma, Pair
from fsrcnn.data.pairs import ROTATIONS, SHRINKS
from fsrcnn.download import grids
from fsrcnn.download.grids import Grid, NotAssembledError

MOST_DIFFERENCE = 1.0  # mean grey levels between a picture and a turned one, whose resizing rounds otherwise


log = logging.getLogger(__name__)


class NotVariantsError(Exception):
    """Pictures are not the published twenty variants of photographs."""


def rebuild(path: Path, target: Path, scale: int, *, source: str) -> bool:
    """Write the pictures that a file of patches was cut from as `target`, in the images layout.

    Returns False, writes nothing and says so in a warning where they can't be put together. Raises
    `InputError` as `hdf5.Reader` does.
    """
    try:
        with hdf5.Reader(path, scale) as reader:
            reader.expect("patches")
            _rebuild(reader, target, scale, source)
    except NotAssembledError as error:
        log.warning(
            "%s: the patches are kept as they are, since they make no whole pictures: %s", path.name, error
        )
        return False
    return True


def _rebuild(reader: hdf5.Reader, target: Path, scale: int, source: str) -> None:
    starts = range(0, reader.found.images, hdf5.BLOCK)
    blocks = (reader.patches(slice(start, start + hdf5.BLOCK)) for start in starts)
    shapes, augmented = grids.find(blocks, scale)
    made = f"published patches put back together into {len(shapes)} pictures"
    if augmented:
        try:
            pairs = label(pictures(reader, scale, shapes), scale)
            hdf5.write_pairs(target, pairs, scale, source=source, made=made)
            return
        except NotVariantsError:  # of the right sizes only
            pass
    hdf5.write_pairs(target, pictures(reader, scale, shapes), scale, source=source, made=made)


def pictures(reader: hdf5.Reader, scale: int, shapes: Iterable[Grid]) -> Iterator[Pair]:
    """The pictures of these shapes, in the file's order; each counts as a photograph of its own.

    Raises `NotAssembledError` at a picture whose patches are not, to the last bit, the file's.
    """
    start = 0
    for number, shape in enumerate(shapes):
        end = start + shape.rows * shape.columns
        lr, hr = reader.patches(slice(start, end))
        yield Pair(_join(lr, shape, scale), _join(hr, shape, scale**2), f"{number:04}")
        start = end


def label(pairs: Iterator[Pair], scale: int) -> Iterator[Pair]:
    """Name each picture's photograph, "0000", "0001", ..., and its variant as `pairs.augment` does.

    Raises `NotVariantsError` at the first pictures that are not one photograph turned.
    """
    variants = [f"{shrink} {angle}" for shrink in SHRINKS for angle in ROTATIONS]
    for number, first in enumerate(pairs):
        group = [first, *islice(pairs, len(variants) - 1)]
        for i in range(0, len(group), len(ROTATIONS)):
            upright, *turned = group[i : i + len(ROTATIONS)]
            if not all(_is_turned(upright.lr, y.lr, k, scale) for k, y in enumerate(turned, 1)):
                raise NotVariantsError
        for pair, variant in zip(group, variants, strict=True):
            yield pair._replace(image=f"{number:04}", variant=variant)


def _join(patches: Luma, shape: Grid, stride: int) -> Luma:
    side = patches.shape[1]
    picture = np.empty([(n - 1) * stride + side for n in shape], np.float32)
    windows = sliding_window_view(picture, (side, side), writeable=True)[::stride, ::stride]
    patches = patches.reshape(windows.shape)
    windows[...] = patches
    if not np.array_equal(windows, patches):
        raise NotAssembledError("neighbours differ in what they share")
    return picture


def _is_turned(upright: Luma, turned: Luma, quarters: int, most_lost: int) -> bool:
    """Whether `turned` is `upright` after so many quarter turns, counter-clockwise.

    Both lack less than `most_lost` pixels at their right and bottom, which turns `upright`'s loss
    to other sides: hence the search for where they lie on each other.
    """
    expected = np.rot90(upright, quarters)
    height, width = expected.shape
    if turned.shape != expected.shape:
        return False
    return any(
        np.abs(turned[down:, right:] - expected[: height - down, : width - right]).mean() < MOST_DIFFERENCE
        for down in range(most_lost if quarters in (1, 2) else 1)
        for right in range(most_lost if quarters in (2, 3) else 1)
    )
