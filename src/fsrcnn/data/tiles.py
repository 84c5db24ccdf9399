"""The images of a training set, of which nothing is read before it is needed, and their tiles.

Of a file of pictures, the 20 variants of section 4.1 are made as they are read; the other layouts hold
them made. All are read whole, or in tiles where the set is larger than memory.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from fsrcnn.data.degradation import CLEAN, Degradation, degrade
from fsrcnn.data.hdf5 import BLOCK, Luma, Reader
from fsrcnn.data.luma import grey, luma
from fsrcnn.data.pairs import ROTATIONS, SHRINKS, make_pair, shrunk_size
from fsrcnn.data.prepared import training_files

MARGIN = 4  # LR pixels around a tile, of which reduction sees three at most

Block = tuple[Luma, Luma]  # equally large images: lr (n, h, w) and hr (n, h*scale, w*scale), 0..255


class Box(NamedTuple):
    """A part of an image, in LR pixels."""

    top: int
    bottom: int
    left: int
    right: int


class Tile(NamedTuple):
    """What is read at once: that many `images` of `height` x `width` LR pixels.

    LR goes through the degradation that `read` is given; blocks of patches hold it made, clean.
    """

    images: int
    height: int
    width: int
    read: Callable[[Degradation], Block]

    @property
    def pixels(self) -> int:
        """LR pixels of all its images."""
        return self.images * self.height * self.width


class SetImage(NamedTuple):
    """One variant of a photograph: `height` x `width` LR pixels, read by `read`, all of it or a box.

    A box is cut from the shrunk picture at once, which makes it the same as the whole image but where
    a side is not a multiple of the scale: there HR is cut off instead of resized.
    """

    photograph: str
    rotation: int  # degrees
    height: int
    width: int
    read: Callable[[Box | None, Degradation], Block]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in LR pixels."""
        return self.height, self.width

    def whole(self) -> Tile:
        """All of it."""
        return Tile(1, self.height, self.width, partial(self.read, None))

    def centre(self, side: int) -> Tile:
        """All of it or, of a side that is longer than `side` LR pixels, the middle."""
        if max(self.height, self.width) <= side:
            return self.whole()
        h, w = min(self.height, side), min(self.width, side)
        top, left = (self.height - h) // 2, (self.width - w) // 2
        return self._tile(Box(top, top + h, left, left + w))

    def tiles(self, side: int) -> Iterator[Tile]:
        """Nearly equal tiles, without overlap, with sides of `side` LR pixels at most."""
        if max(self.height, self.width) <= side:
            yield self.whole()
            return
        for top, bottom in pairwise(_edges(self.height, side)):
            for left, right in pairwise(_edges(self.width, side)):
                yield self._tile(Box(top, bottom, left, right))

    def _tile(self, box: Box) -> Tile:
        return Tile(1, box.bottom - box.top, box.right - box.left, partial(self.read, box))


def open_files(path: Path, scale: int) -> list[Reader]:
    """The training file `path`, or those of the folder `path` in the order of their names.

    Raises `InputError` when there is none, and for a file that holds nothing to train on.
    """
    readers = [Reader(file, scale) for file in ([path] if path.is_file() else training_files(path))]
    for reader in readers:
        reader.expect(reader.found.layout)  # not the SRCNN layout
    return readers


def images_of(reader: Reader, scale: int) -> Iterator[SetImage]:
    """Every variant that a file of pictures or of images stands for, in the published order."""
    for index in range(reader.found.images):
        name, variant = reader.label(index)
        photograph = f"{reader.path.stem}/{name}"
        height, width = reader.size(index)
        if reader.found.layout == "images":
            turn = variant.rpartition(" ")[2]
            turned = int(turn) if turn in map(str, ROTATIONS) else 0
            yield SetImage(photograph, turned, height, width, partial(_read_pair, reader, index, scale))
            continue
        for shrink in SHRINKS:
            w, h = (side // scale for side in shrunk_size(width, height, shrink))
            for rotation in ROTATIONS:
                sides = (h, w) if rotation % 180 == 0 else (w, h)
                if min(sides) > 0:
                    read = partial(_read_picture, reader, index, scale, shrink, rotation)
                    yield SetImage(photograph, rotation, *sides, read)


def patches_of(reader: Reader, stop: int) -> Iterator[Tile]:
    """The first `stop` patches of a file of patches, in blocks."""
    for start in range(0, stop, BLOCK):
        end = min(start + BLOCK, stop)
        yield Tile(end - start, *reader.size(0), partial(_read_patches, reader, slice(start, end)))


def _edges(length: int, side: int) -> list[int]:
    parts = math.ceil(length / side)
    return [i * length // parts for i in range(parts + 1)]


def _read_patches(reader: Reader, part: slice, degradation: Degradation) -> Block:
    assert degradation == CLEAN, "a patch is too small for a JPEG's blocks"
    return reader.patches(part)


def _read_pair(reader: Reader, index: int, scale: int, box: Box | None, degradation: Degradation) -> Block:
    part = () if box is None else (slice(box.top, box.bottom), slice(box.left, box.right))
    pair = reader.pair(index, *part)
    if degradation == CLEAN:
        return pair.lr[None], pair.hr[None]
    small = degrade(Image.fromarray(grey(pair.hr)), scale, degradation).convert("RGB")
    return luma(np.asarray(small))[None], pair.hr[None]


def _read_picture(
    reader: Reader,
    index: int,
    scale: int,
    shrink: float,
    rotation: int,
    box: Box | None,
    degradation: Degradation,
) -> Block:
    if box is None:
        image = _rgb(reader.picture(index))
        smaller = image.resize(shrunk_size(*image.size, shrink), Image.Resampling.BICUBIC)
        lr, hr = make_pair(smaller.rotate(rotation, expand=True), scale, "resize", degradation)
        return lr[None], hr[None]
    assert rotation == 0, "tiles are read of what is not rotated"
    height, width = reader.size(index)
    shrunk = shrunk_size(width, height, shrink)
    w, h = (side // scale for side in shrunk)
    outer = Box(
        max(0, box.top - MARGIN),
        min(h, box.bottom + MARGIN),
        max(0, box.left - MARGIN),
        min(w, box.right + MARGIN),
    )
    rows, top, bottom = _source(outer.top * scale, outer.bottom * scale, height, shrunk[1])
    columns, left, right = _source(outer.left * scale, outer.right * scale, width, shrunk[0])
    large = _rgb(reader.picture(index, rows, columns)).resize(
        ((outer.right - outer.left) * scale, (outer.bottom - outer.top) * scale),
        Image.Resampling.BICUBIC,
        box=(left, top, right, bottom),
    )
    small = degrade(large, scale, degradation)
    small, large = (
        image.crop(
            (
                (box.left - outer.left) * times,
                (box.top - outer.top) * times,
                (box.right - outer.left) * times,
                (box.bottom - outer.top) * times,
            )
        )
        for image, times in ((small, 1), (large, scale))
    )
    return luma(np.asarray(small))[None], luma(np.asarray(large))[None]


def _source(start: int, stop: int, length: int, shrunk: int) -> tuple[slice, float, float]:
    """What bicubic reduction from `length` to `shrunk` pixels reads for the pixels `start` to `stop`.

    The slice, and where the box of those pixels lies in it.
    """
    ratio = length / shrunk
    first = max(0, math.floor((start - 2.5) * ratio))
    last = min(length, math.ceil((stop + 2.5) * ratio))
    return slice(first, last), start * ratio - first, min(stop * ratio, length) - first


def _rgb(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels).convert("RGB")
