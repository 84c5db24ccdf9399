"""Training files to what a training needs: a pool of patches that fits into memory, and validation images."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fsrcnn.data.degradation import CLEAN, GRID, Degradation
from fsrcnn.data.hdf5 import BLOCK, Reader
from fsrcnn.data.luma import unit
from fsrcnn.data.tiles import Block, SetImage, Tile, images_of, open_files, patches_of
from fsrcnn.errors import InputError
from fsrcnn.settings import DegradationName, TrainSettings
from fsrcnn.training.pool import GRID_PATCH, PatchPool
from fsrcnn.training.rolling import RollingPool

POOL_BYTES = 3 << 29  # of a set that is held whole; a training then stays below 4 GB
ROLLING_BYTES = 1 << 28  # of the pool of a larger one, which is filled in seconds
TILE = 256  # HR pixels, at most, of a side of its tiles
MOST_VALIDATION = 40  # images
VALIDATION_SIDE = 640  # HR pixels, at most, of a side of theirs

log = logging.getLogger(__name__)


class TrainingData(NamedTuple):
    """What `load` found: the pool to train on, and held-out images, empty where none were asked for.

    Each held-out entry is lr (n, 1, h, w) and hr (n, 1, h*scale, w*scale), luma in 0..1.
    """

    pool: PatchPool
    validation: list[tuple[Tensor, Tensor]]


def load(
    path: Path, scale: int, settings: TrainSettings, seed: int, degradation: DegradationName = "none"
) -> TrainingData:
    """Read the training file `path`, or all those of the folder, and hold a share out for validation.

    Evenly spaced photographs are held out with all their variants, and only the unaltered one is used,
    of a large one the middle; of patches, which don't say where they come from, the last ones are. For
    crops, which are turned as they are cut, variants that are rotated are left out.

    A set that takes more than `POOL_BYTES` is read as training proceeds, in an order that `seed` decides.
    So is one whose LR is degraded, anew each time; its validation images go through all of `GRID`.

    Raises `InputError` for a file that is not a training file, when there are too few photographs to
    hold some out, when `settings.crop` is larger than every image, when the published patches are
    asked for of a set that is too large for them, and when patches or the published ones of a set are
    to be degraded.
    """
    readers = open_files(path, scale)
    if degradation != "none":
        _check_degradable(readers, settings)
    degradations = [CLEAN] if degradation == "none" else list(GRID.values())
    images, blocks, validation = _split(path, readers, scale, settings.validation_share, degradations)
    grid_count = sum(_grid_count(scale, *image.size) for image in images)
    grid_count += sum(block.images * _grid_count(scale, block.height, block.width) for block in blocks)
    if settings.sampling == "patches":
        pool = PatchPool.of_tiles(scale, _fitting(path, [i.whole() for i in images] + blocks, scale))
    else:
        degraded = degradation != "none"
        pool = _pool_for_crops(path, scale, images, blocks, settings.crop, seed, degraded=degraded)
    pool.grid_count = grid_count
    if not isinstance(pool, RollingPool):
        for reader in readers:
            reader.close()
    return TrainingData(pool, as_tensors(validation))


def _check_degradable(readers: list[Reader], settings: TrainSettings) -> None:
    if settings.sampling == "patches":
        raise InputError("data.degradation: photo is for crops; set train.sampling=crops, or it to none")
    for reader in readers:
        if reader.found.layout == "patches":
            raise InputError(
                f"{reader.path}: data.degradation: photo needs whole pictures, and this file holds patches; "
                "give a folder of pictures, or set it to none"
            )


def _pool_for_crops(
    path: Path,
    scale: int,
    images: list[SetImage],
    blocks: list[Tile],
    crop: int,
    seed: int,
    *,
    degraded: bool,
) -> PatchPool:
    side = min([crop, *(min(block.height, block.width) for block in blocks)])
    if side < crop:
        log.warning("%s: train.crop: %d is larger than its patches; crops of %d are cut", path, crop, side)
    images = [image for image in images if image.rotation == 0 and min(image.size) >= side]
    wholes = [image.whole() for image in images] + blocks
    if not wholes:
        raise InputError(f"{path}: train.crop: {crop} is larger than every training image; make it smaller")
    size = _bytes(scale, wholes)
    pool: PatchPool
    if size <= POOL_BYTES and not degraded:
        pool = PatchPool.of_tiles(scale, wholes)
    elif size <= POOL_BYTES:
        pixels = sum(tile.pixels for tile in wholes)
        pool = RollingPool(scale, pixels, wholes, seed, degraded=True)
    else:
        log.info("%s: %.1f GB, of which a part is held at a time", path, size / 1e9)
        longest = max(TILE // scale, 2 * side)  # halves of it still hold a crop
        tiles = [tile for image in images for tile in image.tiles(longest)] + blocks
        pool = RollingPool(scale, ROLLING_BYTES // _bytes(scale), tiles, seed, degraded=degraded)
    pool.largest_crop = side if blocks else None
    return pool


def _fitting(path: Path, tiles: list[Tile], scale: int) -> list[Tile]:
    if (size := _bytes(scale, tiles)) > POOL_BYTES:
        raise InputError(
            f"{path}: the images of the published patches take {size / 1e9:.1f} GB of memory, more than the "
            f"{POOL_BYTES / 1e9:.1f} that there are; set train.sampling=crops"
        )
    return tiles


def _split(
    path: Path, readers: list[Reader], scale: int, share: float, degradations: list[Degradation]
) -> tuple[list[SetImage], list[Tile], list[Block]]:
    """Images and blocks of patches to train on, and what is held out."""
    by_patches = [reader for reader in readers if reader.found.layout == "patches"]
    images = [image for reader in readers if reader not in by_patches for image in images_of(reader, scale)]
    ends = [reader.found.images for reader in by_patches]
    validation: list[Block] = []
    if share and images:
        most = MOST_VALIDATION // len(degradations)
        chosen = _chosen(path, sorted({image.photograph for image in images}), share, most)
        shown = {image.photograph: image for image in reversed(images) if image.photograph in chosen}
        tiles = [image.centre(VALIDATION_SIDE // scale) for image in shown.values()]
        validation = [tile.read(degradation) for tile in tiles for degradation in degradations]
        images = [image for image in images if image.photograph not in chosen]
    elif share and (count := min(round(sum(ends) * share), BLOCK, ends[-1] - 1)):
        ends[-1] -= count
        validation = [by_patches[-1].patches(slice(ends[-1], ends[-1] + count))]
    files = zip(by_patches, ends, strict=True)
    blocks = [block for reader, end in files for block in patches_of(reader, end)]
    return images, blocks, validation


def _chosen(path: Path, names: list[str], share: float, most: int) -> set[str]:
    """Evenly spaced ones of the names."""
    count = min(max(1, round(len(names) * share)), most)
    chosen = {names[(2 * i + 1) * len(names) // (2 * count)] for i in range(count)}
    if len(chosen) == len(names):
        raise InputError(
            f"{path}: {len(names)} photographs are too few to hold some out; set train.validation_share to 0"
        )
    return chosen


def _bytes(scale: int, tiles: list[Tile] | None = None) -> int:
    """What the pool takes for tiles, or for one LR pixel."""
    return 4 * (1 + scale**2) * (1 if tiles is None else sum(tile.pixels for tile in tiles))


def _grid_count(scale: int, height: int, width: int) -> int:
    side = GRID_PATCH[scale]
    down, across = (max(0, (length - side) // scale + 1) for length in (height, width))
    return down * across


def as_tensors(blocks: Iterable[Block]) -> list[tuple[Tensor, Tensor]]:
    """Blocks of images (n, h, w) in 0..255, LR and HR, as (n, 1, h, w) in 0..1."""
    return [(torch.from_numpy(unit(lr))[:, None], torch.from_numpy(unit(hr))[:, None]) for lr, hr in blocks]
