import numpy as np
import pytest
import torch

from fsrcnn.data.hdf5 import Pair
from fsrcnn.errors import InputError
from fsrcnn.training.batches import GridPasses, RandomCrops
from fsrcnn.training.pool import PatchPool

WHOLE = slice(None)


@pytest.fixture
def pool() -> PatchPool:
    random = np.random.default_rng(0)
    lr, hr = random.random((2, 20, 30), np.float32), random.random((2, 80, 120), np.float32)
    return PatchPool.of_pairs(4, [Pair(*pair) for pair in zip(lr, hr, strict=True)])


def cutters(pool: PatchPool, seed: int = 3):
    return RandomCrops(pool, seed, 8, 10), GridPasses(pool, seed, 8)


def test_a_batch_depends_on_seed_and_step_alone(pool):
    for one, same, other in zip(cutters(pool), cutters(pool), cutters(pool, seed=4), strict=True):
        one.cut(0, WHOLE)
        batch = one.cut(5, WHOLE)
        assert torch.equal(batch.lr, same.cut(5, WHOLE).lr)
        assert torch.equal(batch.hr, same.cut(5, WHOLE).hr)
        assert not torch.equal(batch.lr, same.cut(6, WHOLE).lr)
        assert not torch.equal(batch.lr, other.cut(5, WHOLE).lr)


@pytest.mark.parametrize("size", [1, 4])
def test_parts_make_up_the_batch(pool, size):
    for cutter in cutters(pool):
        whole = cutter.cut(1, WHOLE)
        parts = [cutter.cut(1, slice(start, start + size)) for start in range(0, 8, size)]
        assert torch.equal(whole.lr, torch.cat([part.lr for part in parts]))
        assert torch.equal(whole.hr, torch.cat([part.hr for part in parts]))


def test_crops_are_uniform_over_positions_and_symmetries():
    lr = np.arange(30, dtype=np.float32).reshape(5, 6)
    pool = PatchPool.of_pairs(2, [Pair(lr, lr.repeat(2, 0).repeat(2, 1))])
    cutter = RandomCrops(pool, 0, 9600, 4)
    crops, counts = cutter.cut(0, WHOLE).lr.flatten(1).unique(dim=0, return_counts=True)
    assert len(crops) == 2 * 3 * 8
    assert (counts - 200).abs().max() < 5 * 200**0.5


def test_a_crop_larger_than_every_image(pool):
    with pytest.raises(InputError, match=r"train\.crop: 21 is larger") as caught:
        RandomCrops(pool, 1, 8, 21).cut(0, WHOLE)
    assert "\n" not in str(caught.value)


def test_patches_decide_how_large_a_crop_can_be(pool):
    pool.largest_crop = 6
    assert RandomCrops(pool, 1, 8, 10).cut(0, WHOLE).lr.shape == (8, 1, 6, 6)


def test_a_pass_sees_every_patch_once(pool):
    cutter = GridPasses(pool, 1, 7)
    passes = [
        torch.cat([cutter.cut(step, WHOLE).lr.flatten(1) for step in range(start, start + cutter.per_pass)])
        for start in (0, cutter.per_pass)
    ]
    grid = pool.cut(pool.grid(), 6).lr.flatten(1)
    assert len(passes[0]) == len(grid) // 7 * 7
    for rows in passes:
        assert len(rows.unique(dim=0)) == len(rows)
    assert not torch.equal(*passes)


def test_too_few_patches_for_a_batch(pool):
    with pytest.raises(InputError, match=r"train\.batch_size: 1000 is more than all patches"):
        GridPasses(pool, 1, 1000)
