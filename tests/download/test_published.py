import logging
import re

import h5py
import numpy as np
import pytest
from PIL import ImageOps

from fsrcnn.data import hdf5
from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.pairs import make_pair
from fsrcnn.download import grids, published
from fsrcnn.download.folder import read_folder
from fsrcnn.download.samples import photographs
from fsrcnn.training.pool import GRID_PATCH
from tests.published_layout import grid, published_pairs, write_grid, write_published

SCALES = [2, 3, 4]
LABELS = [f"{shrink} {angle}" for shrink in (1.0, 0.9, 0.8, 0.7, 0.6) for angle in (0, 90, 180, 270)]
WHITE = (255, 255, 255)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "91-image.h5"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "train.h5"


def rebuilt(path, target, scale):
    assert published.rebuild(path, target, scale, source="91-image")
    return list(hdf5.read_pairs(target, scale))


@pytest.fixture
def refused(path, target, caplog):
    def refused(scale, reason):
        assert not published.rebuild(path, target, scale, source="91-image")
        assert not target.exists()
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert re.search(reason, record.getMessage())

    return refused


def check(found, whole, path, scale):
    """Cut again, the pictures give the file's patches; they lack less than one stride of the whole ones."""
    p = GRID_PATCH[scale]
    assert len(found) == len(whole)
    for one, other in zip(found, whole, strict=True):
        for y, full, stride in ((one.lr, other.lr, scale), (one.hr, other.hr, scale**2)):
            assert y.dtype == np.float32
            assert np.array_equal(y, full[: y.shape[0], : y.shape[1]])
            assert all(0 <= n - m < stride for n, m in zip(full.shape, y.shape, strict=True))
    with h5py.File(path) as file:
        for name, side, stride in (("lr", p, scale), ("hr", p * scale, scale**2)):
            again = np.concatenate([grid(getattr(pair, name), side, stride) for pair in found])
            assert np.array_equal(again, file[name][()])


def cut(scale, *sizes, name="coffee", corner=40):
    """Pieces of a bundled photograph, (width, height) in patches, each a whole picture."""
    ((_, image),) = photographs((f"{name}.png",), 640)
    pairs = []
    for i, size in enumerate(sizes):
        x, y = corner + 5 * i, corner + 3 * i
        width, height = (scale * (GRID_PATCH[scale] + (n - 1) * scale) for n in size)
        pairs.append(Pair(*make_pair(image.crop((x, y, x + width, y + height)), scale, "crop")))
    return pairs


def changed(path, order=None, **values):
    """Rewrite a file with its patches in another order, or with other `lr` or `hr`."""
    with h5py.File(path) as file:
        data = {name: file[name][()] for name in ("lr", "hr")}
    data = {name: y if order is None else y[order] for name, y in data.items()} | values
    with h5py.File(path, "w") as file:
        file.update(data)


@pytest.mark.parametrize("scale", SCALES)
def test_every_picture_is_found_and_named(path, target, scale):
    photos = photographs(("astronaut.png", "rocket.jpg", "camera.png"), 170)
    whole = published_pairs(photos, scale)
    write_published(path, photos, scale)
    found = rebuilt(path, target, scale)
    check(found, whole, path, scale)
    assert [pair.image for pair in found] == [f"{i:04}" for i in range(3) for _ in LABELS]
    assert [pair.variant for pair in found] == 3 * LABELS
    assert [pair.variant for pair in whole] == 3 * LABELS
    assert hdf5.attributes(target) == {
        "source": "91-image",
        "scale": scale,
        "layout": "images",
        "made": "published patches put back together into 60 pictures",
    }


def test_pictures_lie_across_blocks(path, target, monkeypatch):
    photos = photographs(("rocket.jpg",), 170)
    write_published(path, photos, 4)
    monkeypatch.setattr(hdf5, "BLOCK", 7)
    check(rebuilt(path, target, 4), published_pairs(photos, 4), path, 4)


def framed(image, border):
    return ImageOps.expand(image, border, WHITE)


def banded(image, bands):
    """The photograph with some of its rows white."""
    changed = image.copy()
    for top, bottom in bands:
        changed.paste(WHITE, (0, top, image.width, bottom))
    return changed


FLAT = {
    "top": lambda image: banded(image, [(0, 70)]),
    "top and bottom": lambda image: banded(image, [(0, 50), (120, 1000)]),
    "middle": lambda image: banded(image, [(60, 130)]),
    "square in a wide margin": lambda image: framed(image.crop((20, 20, 80, 80)), 50),
    "oblong in a wide margin": lambda image: framed(image.crop((20, 20, 100, 80)), 60),
    "high in a narrow margin": lambda image: framed(image.crop((20, 20, 80, 170)), 6),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("flat", FLAT)
def test_flat_areas(path, target, scale, flat):
    """Neighbours in white areas are equal whether or not they are of one row, or of one picture."""
    photos = [
        (name, FLAT[flat](image))
        for name, image in photographs(("astronaut.png", "motorcycle_left.png"), 300)
    ]
    write_published(path, photos, scale)
    found = rebuilt(path, target, scale)
    check(found, published_pairs(photos, scale), path, scale)
    assert [pair.variant for pair in found] == 2 * LABELS


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    "sizes",
    [
        [(9, 7), (9, 7), (9, 4)],
        [(9, 7), (6, 1), (8, 5)],
        [(1, 1), (9, 7), (1, 1), (5, 5), (7, 1)],
        [(9, 7), (1, 6), (5, 5)],
        [(12, 1)],
        [(1, 1)],
    ],
    ids=["one width", "one row", "one patch", "one column", "one row alone", "one patch alone"],
)
def test_other_pictures_are_photographs_of_their_own(path, target, scale, sizes):
    whole = cut(scale, *sizes)
    write_grid(path, whole, scale)
    found = rebuilt(path, target, scale)
    check(found, whole, path, scale)
    assert [(pair.image, pair.variant) for pair in found] == [(f"{i:04}", "") for i in range(len(sizes))]


@pytest.mark.parametrize("rows", [slice(0, 5), slice(2, 5)])
@pytest.mark.parametrize("scale", SCALES)
def test_flat_rows_of_other_pictures(path, target, scale, rows):
    whole = cut(scale, (9, 12), (9, 12), (7, 8))
    for pair in whole[:2]:
        for y, stride in ((pair.lr, scale), (pair.hr, scale**2)):
            y[rows.start * stride : rows.stop * stride] = 235
    write_grid(path, whole, scale)
    check(rebuilt(path, target, scale), whole, path, scale)


def test_twenty_pictures_of_those_sizes_that_are_not_one_photograph(path, target):
    one, other = (published_pairs(photographs((name,), 170), 4) for name in ("grass.png", "gravel.png"))
    whole = [*one[:2], other[2], *one[3:]]
    assert one[2].lr.shape == other[2].lr.shape
    write_grid(path, whole, 4)
    found = rebuilt(path, target, 4)
    check(found, whole, path, 4)
    assert [(pair.image, pair.variant) for pair in found] == [(f"{i:04}", "") for i in range(20)]


def test_a_photograph_without_some_variants(path, target):
    whole = published_pairs(photographs(("rocket.jpg",), 170), 4)[:-1]
    write_grid(path, whole, 4)
    found = rebuilt(path, target, 4)
    check(found, whole, path, 4)
    assert {pair.variant for pair in found} == {""}


SIZES = [(9, 7), (6, 5), (9, 4)]
COUNT = 63 + 30 + 36
EVERY = np.arange(COUNT)
COLUMNS_FIRST = np.concatenate(
    [EVERY[:63].reshape(7, 9).T.ravel(), 63 + np.arange(30).reshape(5, 6).T.ravel()]
)
ORDERS = {
    "shuffled": np.random.default_rng(0).permutation(COUNT),
    "shuffled within the second picture": np.r_[
        0:63, 63 + np.random.default_rng(0).permutation(30), 93:COUNT
    ],
    "columns first": COLUMNS_FIRST,
    "rows in another order": EVERY[:63].reshape(7, 9)[[3, 1, 6, 0, 5, 2, 4]].ravel(),
    "backwards": EVERY[::-1],
    "two exchanged": np.r_[0:20, 70, 21:70, 20, 71:COUNT],
    "every second": EVERY[::2],
    **{f"without patch {i}": np.delete(EVERY, i) for i in (0, 1, 4, 8, 9, 30, 62, 63, 64, 92, 128)},
    **{f"patch {i} twice": np.insert(EVERY, i, i) for i in (0, 4, 8, 9, 30, 62, 63, 92, 128)},
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("order", ORDERS)
def test_patches_in_another_order(path, refused, scale, order):
    write_grid(path, cut(scale, *SIZES), scale)
    changed(path, ORDERS[order])
    refused(scale, "goes on elsewhere|most neighbours")


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["lr", "hr"])
def test_one_pixel_that_differs(path, refused, scale, name):
    write_grid(path, cut(scale, *SIZES), scale)
    with h5py.File(path) as file:
        y = file[name][()]
    y[30, scale if name == "lr" else scale**2, 1] += 0.01
    changed(path, **{name: y})
    refused(scale, "goes on elsewhere")


@pytest.mark.parametrize("scale", SCALES)
def test_lr_of_other_patches(path, refused, scale):
    write_grid(path, cut(scale, *SIZES), scale)
    with h5py.File(path) as file:
        lr = file["lr"][()]
    changed(path, lr=lr[::-1])
    refused(scale, "most neighbours")


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(("scale", "stride"), [(2, 1), (2, 4), (3, 2), (4, 3), (4, 6)])
def test_another_stride(path, refused, scale, stride, flat):
    p = GRID_PATCH[scale]
    whole = cut(scale, (9, 9), (7, 8))
    for pair in whole if flat else []:
        pair.lr[: -p - 2] = pair.hr[: (-p - 2) * scale] = 235
    small = np.concatenate([grid(pair.lr, p, stride) for pair in whole])
    large = np.concatenate([grid(pair.hr, p * scale, stride * scale) for pair in whole])
    write_grid(path, whole, scale)
    changed(path, lr=small, hr=large)
    refused(scale, "goes on elsewhere|most neighbours|flat area")


def test_flat_pictures_have_no_width(path, refused):
    whole = cut(4, (9, 7), (6, 5))
    whole[1].lr[:] = whole[1].hr[:] = 235
    write_grid(path, whole, 4)
    refused(4, "the width of the picture at patch 63 is lost in a flat area")


def test_patches_that_share_nothing(path, refused):
    with h5py.File(path, "w") as file:
        file["lr"], file["hr"] = np.full((3, 4, 4), 16.0), np.full((3, 16, 16), 16.0)
    refused(4, "share nothing")


@pytest.mark.parametrize("value", [16, None])
def test_what_is_held_in_memory_is_bounded(path, refused, monkeypatch, value):
    """A picture of any size, or what looks like one, is not collected."""
    monkeypatch.setattr(grids, "MOST_PATCHES", 64)
    whole = cut(4, (9, 8))
    if value is not None:
        whole[0].lr[:] = whole[0].hr[:] = value
    write_grid(path, whole, 4)
    refused(4, "a picture of 64 patches or more")


def test_the_91_images(mirror, path, target):
    whole = published_pairs(read_folder(mirror / "91-image"), 4)
    assert write_grid(path, whole, 4) == 236_432
    found = rebuilt(path, target, 4)
    check(found, whole, path, 4)
    assert len(found) == 1820
    assert [(pair.image, pair.variant) for pair in found] == [
        (f"{i:04}", label) for i in range(91) for label in LABELS
    ]
