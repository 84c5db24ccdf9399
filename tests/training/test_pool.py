import numpy as np
import pytest
from torch.nn.functional import pixel_shuffle

from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.luma import unit
from fsrcnn.data.pairs import augment, make_pair
from fsrcnn.data.tiles import Tile
from fsrcnn.download.folder import read_folder
from fsrcnn.training.pool import SYMMETRIES, PatchPool

SIDE = {2: 10, 3: 7, 4: 6}
PUBLISHED = {2: 3_698_808, 3: 742_280, 4: 236_432}


def published_patches(lr, hr, scale):
    """The double loop of the published preparation script."""
    p = SIDE[scale]
    small, large = [], []
    for i in range(0, lr.shape[0] - p + 1, scale):
        for j in range(0, lr.shape[1] - p + 1, scale):
            small.append(lr[i : i + p, j : j + p])
            large.append(hr[i * scale : (i + p) * scale, j * scale : (j + p) * scale])
    return small, large


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(16, 235, shape).astype(np.float32)


def random_pairs(scale, shapes):
    return [
        Pair(noise(h, w, seed=i), noise(h * scale, w * scale, seed=100 + i))
        for i, (h, w) in enumerate(shapes)
    ]


def pool_of(scale, blocks):
    return PatchPool.of_tiles(scale, [Tile(*lr.shape, lambda _, lr=lr, hr=hr: (lr, hr)) for lr, hr in blocks])


def shuffled(hr, scale):
    return pixel_shuffle(hr, scale)[:, 0].numpy()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_grid_is_the_published_double_loop(scale):
    p = SIDE[scale]
    pairs = random_pairs(scale, [(p, p), (p + 7, p + 4), (p - 1, 30), (p + 3, p + 9), (30, p - 1), (23, 17)])
    pool = PatchPool.of_pairs(scale, pairs)
    small, large = [], []
    for pair in pairs:
        for whole, part in zip((small, large), published_patches(pair.lr, pair.hr, scale), strict=True):
            whole += part
    places = pool.grid()
    assert places.shape == (len(small), 4)
    lr, hr = pool.cut(places, p)
    assert lr.shape == (len(small), 1, p, p)
    assert hr.shape == (len(small), scale**2, p, p)
    np.testing.assert_allclose(lr[:, 0].numpy() * 255, np.stack(small), rtol=1e-6)
    np.testing.assert_allclose(shuffled(hr, scale) * 255, np.stack(large), rtol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_published_file_gives_its_patches_back(scale):
    """Blocks of many equal images."""
    p = SIDE[scale]
    lr, hr = noise(9, p, p), noise(9, p * scale, p * scale, seed=1)
    pool = pool_of(scale, [(lr[:4], hr[:4]), (lr[4:], hr[4:])])
    assert pool.pixels == 9 * p * p
    small, large = pool.cut(pool.grid(), p)
    np.testing.assert_allclose(small[:, 0].numpy() * 255, lr, rtol=1e-6)
    np.testing.assert_allclose(shuffled(large, scale) * 255, hr, rtol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_turned_crop_is_the_crop_of_the_turned_picture(scale):
    side, (h, w), (top, left) = 5, (9, 12), (1, 6)
    (pair,) = random_pairs(scale, [(h, w)])
    pool = PatchPool.of_pairs(scale, [pair])
    number = np.full(SYMMETRIES, top * (w - side + 1) + left)
    batch = pool.cut(pool.places(number, side, symmetry=np.arange(SYMMETRIES)), side)
    found = {
        (lr.tobytes(), hr.tobytes())
        for lr, hr in zip(batch.lr[:, 0].numpy(), shuffled(batch.hr, scale), strict=True)
    }
    expected = set()
    for turns in range(4):
        for mirror in (False, True):
            crop = []
            for image, times in ((unit(pair.lr), 1), (unit(pair.hr), scale)):
                window = image[top * times : (top + side) * times, left * times : (left + side) * times]
                turned = np.rot90(window, turns)
                crop.append((turned[:, ::-1] if mirror else turned).tobytes())
            expected.add(tuple(crop))
    assert len(expected) == SYMMETRIES
    assert found == expected


SHAPES = [(9, 7), (4, 30), (6, 6), (12, 5), (5, 8)]


@pytest.fixture
def numbered():
    """A pool whose LR pixels carry their own number, and those numbers as one array an image."""
    sizes = [h * w for h, w in SHAPES]
    starts = np.cumsum([0, *sizes[:-1]])
    images = [
        np.arange(start, start + h * w, dtype=np.float32).reshape(h, w)
        for start, (h, w) in zip(starts, SHAPES, strict=True)
    ]
    pool = pool_of(2, [(y[None], y.repeat(2, 0).repeat(2, 1)[None]) for y in images])
    return pool, images


def test_places_stay_in_one_image_and_are_all_positions(numbered):
    pool, images = numbered
    side = 5
    # Images with a side below 5 have no position.
    windows = [
        y[i : i + side, j : j + side]
        for y in images
        for i in range(y.shape[0] - side + 1)
        for j in range(y.shape[1] - side + 1)
    ]
    assert len(windows) == 5 * 3 + 2 * 2 + 8 * 1 + 1 * 4
    assert pool.count(side) == len(windows)
    lr, hr = pool.cut(pool.places(np.arange(len(windows)), side), side)
    found = (lr[:, 0] * 255).round().numpy()
    assert np.array_equal(found, windows)
    large = (shuffled(hr, 2) * 255).round()
    assert np.array_equal(large, found.repeat(2, 1).repeat(2, 2))


@pytest.mark.parametrize(("side", "count"), [(7, 3), (8, 0), (31, 0)])
def test_crops_as_large_as_the_largest_image_and_larger(numbered, side, count):
    pool, _ = numbered
    assert pool.count(side) == count


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_91_images_give_as_many_patches_as_published(mirror, scale):
    count = 0
    for _, image in read_folder(mirror / "91-image"):
        sizes = [
            (int(image.height * s) // scale, int(image.width * s) // scale) for s in (1.0, 0.9, 0.8, 0.7, 0.6)
        ]
        sizes = [turned for h, w in sizes for turned in ((h, w), (w, h)) * 2]
        zeros = [(np.zeros((1, h, w), "f4"), np.zeros((1, h * scale, w * scale), "f4")) for h, w in sizes]
        pool = pool_of(scale, zeros)
        places = pool.grid()
        count += len(places)
        batch = pool.cut(places[-2:], SIDE[scale])
        assert batch.lr.shape[1:] == (1, SIDE[scale], SIDE[scale])
        assert batch.hr.shape[1:] == (scale**2, SIDE[scale], SIDE[scale])
    assert count == PUBLISHED[scale]


def test_the_patches_of_the_91_images_at_x4(mirror):
    pairs = [
        Pair(*make_pair(variant, 4, "resize"), name, label)
        for name, image in read_folder(mirror / "91-image")
        for label, variant in augment(image)
    ]
    assert len(pairs) == 91 * 20
    pool = PatchPool.of_pairs(4, pairs)
    places = pool.grid()
    assert len(places) == 236_432
    for part, at in ((pairs[:20], 1), (pairs[-20:], -1)):  # the first and the last picture
        small, large = [], []
        for pair in part:
            for whole, cut in zip((small, large), published_patches(pair.lr, pair.hr, 4), strict=True):
                whole += cut
        lr, hr = pool.cut(places[: len(small)] if at == 1 else places[-len(small) :], 6)
        np.testing.assert_allclose(lr[:, 0].numpy() * 255, np.stack(small), rtol=1e-6)
        np.testing.assert_allclose(shuffled(hr, 4) * 255, np.stack(large), rtol=1e-6)
