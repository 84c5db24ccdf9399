import itertools

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import pixel_shuffle

from fsrcnn.data import hdf5, tiles
from fsrcnn.data.degradation import GRID
from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.luma import unit
from fsrcnn.data.pairs import augment, make_pair
from fsrcnn.errors import InputError
from fsrcnn.training import loading
from fsrcnn.training.batches import choose_batches
from fsrcnn.training.rolling import RollingPool
from tests.torch import test_loop

ABOUT = {"source": "test", "made": "for a test"}
WHOLE = slice(None)


def settings(**changes):
    return test_loop.settings(**{"sampling": "crops", "crop": 8, **changes})


def load(path, scale, seed=1, degradation="none", **changes):
    return loading.load(path, scale, settings(**changes), seed, degradation)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(16, 235, shape).astype(np.float32)


def shuffled(hr, scale):
    return pixel_shuffle(hr, scale)[:, 0].numpy()


def smooth(height, width, seed):
    """A picture whose neighbouring pixels are alike, 8-bit RGB."""
    coarse = np.random.default_rng(seed).integers(256, size=(8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def photographs(tmp_path):
    """Ten photographs of three variants each, every one of its own grey: 20 + 10 i + variant."""
    path = tmp_path / "sets" / "train.h5"
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
    loaded, validation = load(photographs, 4, validation_share=share, sampling="patches")
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


def test_photographs_are_held_out_over_all_sets(photographs):
    pairs = [
        Pair(np.full((8, 8), 180 + i, np.float32), np.full((32, 32), 180 + i, np.float32), f"p{i}")
        for i in range(4)
    ]
    hdf5.write_pairs(photographs.with_name("more.h5"), pairs, 4, source="more", made="for a test")
    changes = {"validation_share": 0.15, "sampling": "patches", "crop": 4}
    loaded, validation = load(photographs.parent, 4, **changes)
    assert sorted(next(iter(greys(lr))) for lr, _ in validation) == [80, 183]
    assert loaded.pixels == 3 * 64 + 27 * 72
    assert greys(loaded.lr) == greys(loaded.hr) >= {180, 181, 182}


def test_nothing_is_held_out_unless_asked_for(photographs):
    loaded, validation = load(photographs, 4, sampling="patches")
    assert validation == []
    assert loaded.pixels == 30 * 8 * 9
    assert loaded.hr.shape == (30 * 8 * 9, 16)
    assert loaded.lr.dtype == loaded.hr.dtype == torch.float32


def test_one_photograph_is_too_few_to_hold_out(tmp_path):
    path = tmp_path / "train.h5"
    pairs = [Pair(noise(8, 8), noise(32, 32), "only", f"{i} 0") for i in range(4)]
    hdf5.write_pairs(path, pairs, 4, source="test", made="for a test")
    with pytest.raises(InputError, match=r"too few .* train\.validation_share") as caught:
        load(path, 4, validation_share=0.5)
    assert str(caught.value).startswith(f"{path}: 1 photographs")
    assert load(path, 4).pool.pixels == 4 * 64


@pytest.mark.parametrize(("share", "held"), [(0.0, 0), (0.25, 3), (0.5, 6)])
def test_load_of_the_patches_layout_holds_out_the_last(tmp_path, monkeypatch, share, held):
    path = tmp_path / "train.h5"
    lr, hr = noise(12, 6, 6), noise(12, 24, 24, seed=1)
    with h5py.File(path, "w") as file:
        file["lr"], file["hr"] = lr, hr
    monkeypatch.setattr(tiles, "BLOCK", 5)
    loaded, validation = load(path, 4, validation_share=share, sampling="patches")
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
        load(path, 4)


@pytest.fixture
def folder(tmp_path):
    """Two sets of pictures, eight photographs in all."""
    for name, sizes in (("a", [(60, 83), (75, 49), (64, 64)]), ("b", [(48 + 5 * i, 90) for i in range(5)])):
        pictures = [(f"p{i}", smooth(*size, seed=i)) for i, size in enumerate(sizes)]
        hdf5.write_pictures(tmp_path / "train" / f"{name}.h5", pictures, **ABOUT)
    return tmp_path / "train"


def every_variant(folder, scale):
    for path in sorted(folder.iterdir()):
        for _, pixels in hdf5.read_pictures(path):
            for _, variant in augment(Image.fromarray(pixels)):
                yield make_pair(variant, scale, "resize")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pictures_give_the_published_variants(folder, scale):
    pool = load(folder, scale, sampling="patches").pool
    pairs = list(every_variant(folder, scale))
    expected = loading.PatchPool.of_pairs(scale, [Pair(*pair) for pair in pairs])
    assert len(pairs) == 8 * 20
    assert torch.equal(pool.lr, expected.lr)
    assert torch.equal(pool.hr, expected.hr)
    assert torch.equal(pool.grid(), expected.grid())


@pytest.mark.parametrize("layout", ["pictures", "images"])
def test_crops_are_cut_from_what_is_not_rotated(folder, tmp_path, layout):
    pairs = [Pair(*pair) for pair in list(every_variant(folder, 4))[::4]]
    if layout == "images":
        labels = [(f"p{i // 20}", f"{1 - i % 20 // 4 / 10} {90 * (i % 4)}") for i in range(160)]
        every = [Pair(*pair, *label) for pair, label in zip(every_variant(folder, 4), labels, strict=True)]
        folder = tmp_path / "images.h5"
        hdf5.write_pairs(folder, every, 4, **ABOUT)
    pool = load(folder, 4, crop=4).pool
    assert torch.equal(pool.lr, torch.cat([torch.from_numpy(unit(pair.lr)).flatten() for pair in pairs]))
    grid = load(folder, 4, sampling="patches").pool
    assert pool.grid_count == len(grid.grid())
    assert choose_batches(pool, settings(crop=4), 1)[1] == len(grid.grid()) // 16


def test_the_published_patches_of_a_set_that_is_too_large(folder, monkeypatch):
    monkeypatch.setattr(loading, "POOL_BYTES", 1 << 20)
    with pytest.raises(InputError, match=r"set train\.sampling=crops$") as caught:
        load(folder, 4, sampling="patches")
    assert "\n" not in str(caught.value)


def test_patches_that_are_smaller_than_a_crop(tmp_path, caplog):
    lr, hr = noise(40, 6, 6), noise(40, 24, 24, seed=1)
    hdf5.write_patches(tmp_path / "train.h5", [(lr, hr)], 4, **ABOUT)
    pool = load(tmp_path, 4, crop=16).pool
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}: train.crop: 16 is larger than its patches; crops of 6 are cut"
    ]
    batches, _ = choose_batches(pool, settings(crop=16), 1)
    assert batches.cut(0, WHOLE).lr.shape == (16, 1, 6, 6)


def test_a_crop_larger_than_every_image(folder):
    with pytest.raises(InputError, match=r"train\.crop: 40 is larger than every training image"):
        load(folder, 4, crop=40)


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="no training files; run the download stage"):
        load(tmp_path, 4)


def test_of_a_large_photograph_the_middle_validates(folder, monkeypatch):
    whole = load(folder, 4, validation_share=0.2).validation
    monkeypatch.setattr(loading, "VALIDATION_SIDE", 48)
    for (lr, hr), (large, _) in zip(load(folder, 4, validation_share=0.2).validation, whole, strict=True):
        h, w = lr.shape[2:]
        assert (h, w) == (min(large.shape[2], 12), min(large.shape[3], 12))
        assert hr.shape[2:] == (4 * h, 4 * w)


@pytest.fixture(params=["none", "photo"])
def rolling(request, folder, monkeypatch):
    """How to load the folder as a set that is larger than memory, clean or degraded."""
    monkeypatch.setattr(loading, "POOL_BYTES", 1 << 16)
    monkeypatch.setattr(loading, "ROLLING_BYTES", 1 << 17)
    monkeypatch.setattr(loading, "TILE", 40)
    monkeypatch.setattr("fsrcnn.training.rolling.REFRESH", 10)
    monkeypatch.setattr("fsrcnn.training.rolling.REFRESH_PIXELS", 3000)
    monkeypatch.setattr("fsrcnn.training.rolling.REFRESH_PIXELS_DEGRADED", 3000)
    return lambda seed=1: load(folder, 4, seed, request.param, crop=4).pool


STEPS = (0, 9, 10, 35, 120)


def batches(pool, steps, part=WHOLE):
    cutter, _ = choose_batches(pool, settings(crop=4), 1)
    return [cutter.cut(step, part) for step in steps]


def same(one, other):
    return torch.equal(one.lr, other.lr) and torch.equal(one.hr, other.hr)


def test_a_rolling_pool_is_a_function_of_seed_and_step(rolling):
    pool = rolling()
    assert isinstance(pool, RollingPool)
    assert pool.pixels * 4 * 17 <= 1 << 17
    stepwise = batches(pool, range(STEPS[-1] + 1))
    for step in STEPS:
        (resumed,) = batches(rolling(), [step])
        assert same(resumed, stepwise[step])
        assert not same(batches(rolling(seed=2), [step])[0], resumed)
    assert all(map(same, batches(pool, STEPS[::-1]), [stepwise[step] for step in STEPS[::-1]]))


def test_workers_cut_parts_of_the_rolling_batch(rolling):
    parts = [batches(rolling(), STEPS, slice(start, start + 4)) for start in range(0, 16, 4)]
    for whole, *shares in zip(batches(rolling(), STEPS), *parts, strict=True):
        assert torch.equal(whole.hr, torch.cat([share.hr for share in shares]))


def test_a_rolling_pool_shows_every_tile(rolling):
    pool = rolling()
    read = set()
    for tile in pool._tiles:
        assert max(tile.height, tile.width) <= 10
    for step in range(0, 10_000, 10):
        pool.at(step)
        spans = sorted((start, start + tile.pixels) for start, tile, _ in pool._held)
        assert spans[-1][1] <= pool.pixels
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
        read |= {id(tile) for _, tile, _ in pool._held}
        if len(read) == len(pool._tiles):
            break
    assert len(read) == len(pool._tiles)


@pytest.mark.parametrize("layout", ["images", "patches"])
def test_the_other_layouts_roll_too(tmp_path, monkeypatch, layout):
    monkeypatch.setattr(loading, "POOL_BYTES", 1 << 14)
    monkeypatch.setattr(loading, "ROLLING_BYTES", 1 << 15)
    monkeypatch.setattr(loading, "TILE", 32)
    monkeypatch.setattr(tiles, "BLOCK", 8)
    path = tmp_path / "train.h5"
    lr = noise(30, 12, 6) if layout == "images" else noise(60, 6, 6)
    hr = lr.repeat(4, 1).repeat(4, 2)
    if layout == "images":
        hdf5.write_pairs(path, [Pair(*pair) for pair in zip(lr, hr, strict=True)], 4, **ABOUT)
    else:
        hdf5.write_patches(path, [(lr, hr)], 4, **ABOUT)
    pool = load(path, 4, crop=4).pool
    assert isinstance(pool, RollingPool)
    known = set(unit(lr).flatten().tolist())
    for batch in batches(pool, (0, 500)):
        assert set(batch.lr.flatten().tolist()) <= known
        assert np.array_equal(shuffled(batch.hr, 4)[:, ::4, ::4], batch.lr[:, 0])


def test_lr_of_a_degraded_set_is_another_one_each_time(folder, monkeypatch):
    monkeypatch.setattr("fsrcnn.training.rolling.REFRESH", 10)
    pool = load(folder, 4, degradation="photo").pool
    tiles, seen = list(pool._tiles), {}
    for step in range(0, 100, 10):
        pool.at(step)
        for start, tile, number in pool._held:
            part = slice(start, start + tile.pixels)
            lr, hr = pool.lr[part].clone(), pool.hr[part].clone()
            seen.setdefault(tiles.index(tile), {})[number] = lr, hr
    for readings in seen.values():
        (first, large), *others = readings.values()
        assert others
        assert all(torch.equal(large, hr) for _, hr in others)
        assert any(not torch.equal(first, lr) for lr, _ in others)


def test_validation_of_a_degraded_set_goes_through_the_grid(folder):
    clean = load(folder, 4, validation_share=0.2).validation
    degraded = load(folder, 4, degradation="photo", validation_share=0.2).validation
    assert len(degraded) == len(GRID) * len(clean)
    for number, (lr, hr) in enumerate(clean):
        group = degraded[number * len(GRID) : (number + 1) * len(GRID)]
        assert torch.equal(group[0][0], lr)
        assert all(torch.equal(large, hr) for _, large in group)
        assert len({small.numpy().tobytes() for small, _ in group}) == len(GRID)


def test_patches_are_not_degraded(tmp_path, folder):
    path = tmp_path / "patches.h5"
    lr = noise(60, 6, 6)
    hdf5.write_patches(path, [(lr, lr.repeat(4, 1).repeat(4, 2))], 4, **ABOUT)
    with pytest.raises(InputError, match=r"patches\.h5: data\.degradation: photo needs whole pictures"):
        load(path, 4, degradation="photo")
    with pytest.raises(InputError, match=r"data\.degradation: photo is for crops"):
        load(folder, 4, degradation="photo", sampling="patches")
