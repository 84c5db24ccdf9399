import h5py
import numpy as np
import pytest
import torch
from torch.nn.functional import pixel_shuffle

from fsrcnn.data import hdf5
from fsrcnn.data.folder import read_folder
from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.pairs import augment, make_pair
from fsrcnn.errors import InputError
from fsrcnn.training import pool
from fsrcnn.training.pool import PatchPool

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
    assert places.shape == (len(small), 2)
    lr, hr = pool.cut(places, p)
    assert lr.shape == (len(small), 1, p, p)
    assert hr.shape == (len(small), scale**2, p, p)
    np.testing.assert_allclose(lr[:, 0].numpy() * 255, np.stack(small), rtol=1e-6)
    np.testing.assert_allclose(shuffled(hr, scale) * 255, np.stack(large), rtol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_published_file_gives_its_patches_back(scale):
    """Blocks of many equal images, as `load` makes them of the patches layout."""
    p = SIDE[scale]
    lr, hr = noise(9, p, p), noise(9, p * scale, p * scale, seed=1)
    pool = PatchPool(scale, [(lr[:4], hr[:4]), (lr[4:], hr[4:])])
    assert pool.pixels == 9 * p * p
    small, large = pool.cut(pool.grid(), p)
    np.testing.assert_allclose(small[:, 0].numpy() * 255, lr, rtol=1e-6)
    np.testing.assert_allclose(shuffled(large, scale) * 255, hr, rtol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_mirror_flips_every_second_patch_in_both(scale):
    pool = PatchPool.of_pairs(scale, random_pairs(scale, [(20, 17), (15, 30)]))
    before = pool.lr.clone(), pool.hr.clone()
    places = pool.grid()[:7]
    plain, mirrored = pool.cut(places, SIDE[scale]), pool.cut(places, SIDE[scale], mirror=True)
    one, other = shuffled(plain.hr, scale), shuffled(mirrored.hr, scale)
    for i in range(7):
        step = -1 if i % 2 == 0 else 1
        assert np.array_equal(mirrored.lr[i, 0].numpy(), plain.lr[i, 0].numpy()[:, ::step])
        assert np.array_equal(other[i], one[i][:, ::step])
    assert torch.equal(pool.lr, before[0])
    assert torch.equal(pool.hr, before[1])


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
    pool = PatchPool(2, [(y[None], y.repeat(2, 0).repeat(2, 1)[None]) for y in images])
    return pool, images


def test_random_crops_stay_in_one_image_and_reach_every_position(numbered):
    pool, images = numbered
    side, count = 5, 6000
    # Images with a side below 5 have no position.
    windows = [
        y[i : i + side, j : j + side]
        for y in images
        for i in range(y.shape[0] - side + 1)
        for j in range(y.shape[1] - side + 1)
    ]
    assert len(windows) == 5 * 3 + 2 * 2 + 8 * 1 + 1 * 4
    drawn = pool.random_crops(count, side, np.random.default_rng(0))
    lr, hr = pool.cut(drawn, side)
    found = (lr[:, 0] * 255).round().numpy()
    known = {window.tobytes(): i for i, window in enumerate(windows)}
    hits = np.bincount([known[crop.tobytes()] for crop in found], minlength=len(windows))
    expected = count / len(windows)
    assert np.abs(hits - expected).max() < 5 * np.sqrt(expected)  # uniform, so every one is reached
    large = (shuffled(hr, 2) * 255).round()
    assert np.array_equal(large, found.repeat(2, 1).repeat(2, 2))


def test_random_crops_follow_the_generator(numbered):
    pool, _ = numbered
    first, again, other = (pool.random_crops(50, 4, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_crops_as_large_as_the_largest_image(numbered):
    pool, _ = numbered
    lr, _ = pool.cut(pool.random_crops(3, 7, np.random.default_rng(0)), 7)
    assert {int(crop.min() * 255 + 0.5) for crop in lr[:, 0]} <= {0, 7, 14}  # the rows of the 9 x 7 image


@pytest.mark.parametrize("side", [8, 31])
def test_crop_larger_than_everything(numbered, side):
    pool, _ = numbered
    with pytest.raises(InputError, match=rf"train\.crop: {side} is larger") as caught:
        pool.random_crops(4, side, np.random.default_rng())
    assert "\n" not in str(caught.value)


@pytest.fixture
def photographs(tmp_path):
    """Ten photographs of three variants each, every one of its own grey: 20 + 10 i + variant."""
    path = tmp_path / "train.h5"
    pairs = [
        Pair(
            np.full((8, 9), 20 + 10 * i + variant, np.float32),
            np.full((32, 36), 20 + 10 * i + variant, np.float32),
            f"p{i}",
            ("1.0 0", "1.0 90", "0.9 0")[variant],
        )
        for i in range(10)
        for variant in range(3)
    ]
    hdf5.write_pairs(path, pairs, 4, source="test", made="for a test")
    return path


def greys(values):
    return set((values * 255).round().int().flatten().tolist())


@pytest.mark.parametrize(
    ("share", "held"), [(0.01, {5}), (0.1, {5}), (0.2, {2, 7}), (0.5, {1, 3, 5, 7, 9}), (0.9, None)]
)
def test_held_out_photographs_are_never_trained_on(photographs, share, held):
    loaded, validation = pool.load(photographs.parent, 4, share)
    found = {(grey - 20) // 10 for lr, _ in validation for grey in greys(lr)}
    trained = greys(loaded.lr)
    assert trained == greys(loaded.hr)
    assert found.isdisjoint((grey - 20) // 10 for grey in trained)
    # All variants of the others are trained on.
    assert trained == {20 + 10 * i + variant for i in set(range(10)) - found for variant in range(3)}
    assert len(found) == len(validation) == (9 if held is None else len(held))
    assert held is None or found == held
    for lr, hr in validation:
        assert lr.shape == (1, 1, 8, 9)
        assert hr.shape == (1, 1, 32, 36)
        assert greys(lr) == greys(hr)
        assert next(iter(greys(lr))) % 10 == 0  # the unaltered variant


def test_sets_are_put_together_and_each_holds_out_its_share(photographs):
    pairs = [
        Pair(np.full((8, 8), 180 + i, np.float32), np.full((32, 32), 180 + i, np.float32), f"p{i}")
        for i in range(4)
    ]
    hdf5.write_pairs(photographs.with_name("more.h5"), pairs, 4, source="more", made="for a test")
    loaded, validation = pool.load(photographs.parent, 4, 0.1)
    assert [next(iter(greys(lr))) for lr, _ in validation] == [182, 70]
    assert loaded.pixels == 3 * 64 + 27 * 72
    assert greys(loaded.lr) == greys(loaded.hr) >= {180, 181, 183}


def test_nothing_is_held_out_unless_asked_for(photographs):
    loaded, validation = pool.load(photographs.parent, 4, 0.0)
    assert validation == []
    assert loaded.pixels == 30 * 8 * 9
    assert loaded.hr.shape == (30 * 8 * 9, 16)
    assert loaded.lr.dtype == loaded.hr.dtype == torch.float32


def test_one_photograph_is_too_few_to_hold_out(tmp_path):
    path = tmp_path / "train.h5"
    pairs = [Pair(noise(8, 8), noise(32, 32), "only", str(i)) for i in range(4)]
    hdf5.write_pairs(path, pairs, 4, source="test", made="for a test")
    with pytest.raises(InputError, match=r"too few .* train\.validation_share") as caught:
        pool.load(path.parent, 4, 0.5)
    assert str(caught.value).startswith(f"{path}: 1 photographs")
    assert pool.load(path.parent, 4, 0.0).pool.pixels == 4 * 64


@pytest.mark.parametrize(("share", "held"), [(0.0, 0), (0.25, 3), (0.5, 6)])
def test_load_of_the_patches_layout_holds_out_the_last(tmp_path, monkeypatch, share, held):
    path = tmp_path / "train.h5"
    lr, hr = noise(12, 6, 6), noise(12, 24, 24, seed=1)
    with h5py.File(path, "w") as file:
        file["lr"], file["hr"] = lr, hr
    monkeypatch.setattr(hdf5, "BLOCK", 5)
    loaded, validation = pool.load(path.parent, 4, share)
    small, large = loaded.cut(loaded.grid(), 6)
    np.testing.assert_allclose(small[:, 0].numpy() * 255, lr[: 12 - held], rtol=1e-6)
    np.testing.assert_allclose(shuffled(large, 4) * 255, hr[: 12 - held], rtol=1e-6)
    assert len(validation) == (1 if held else 0)
    for one, other in validation:
        np.testing.assert_allclose(one[:, 0].numpy() * 255, lr[-held:], rtol=1e-6)
        np.testing.assert_allclose(other[:, 0].numpy() * 255, hr[-held:], rtol=1e-6)


@pytest.mark.parametrize("layout", ["images", "patches"])
def test_the_srcnn_layout_is_never_trained_on(tmp_path, layout):
    path = tmp_path / "train.h5"
    y = noise(3, 33, 33)
    with h5py.File(path, "w") as file:
        for name in ("lr", "hr"):
            if layout == "patches":
                file[name] = y
            else:
                for i in range(3):
                    file[f"{name}/{i}"] = y[i]
    with pytest.raises(InputError, match=f"holds {layout} in the SRCNN layout"):
        pool.load(path.parent, 4, 0.0)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_91_images_give_as_many_patches_as_published(mirror, scale):
    count = 0
    for _, image in read_folder(mirror / "91-image"):
        sizes = [
            (int(image.height * s) // scale, int(image.width * s) // scale) for s in (1.0, 0.9, 0.8, 0.7, 0.6)
        ]
        sizes = [turned for h, w in sizes for turned in ((h, w), (w, h)) * 2]
        zeros = [(np.zeros((1, h, w), "f4"), np.zeros((1, h * scale, w * scale), "f4")) for h, w in sizes]
        pool = PatchPool(scale, zeros)
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
