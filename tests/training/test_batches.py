import numpy as np
import pytest
import torch

from fsrcnn.errors import InputError
from fsrcnn.training.batches import GridPasses, RandomCrops
from fsrcnn.training.pool import PatchPool

WHOLE = slice(None)


@pytest.fixture
def pool() -> PatchPool:
    random = np.random.default_rng(0)
    lr, hr = random.random((2, 20, 30), np.float32), random.random((2, 80, 120), np.float32)
    return PatchPool(4, [(lr, hr)])


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


def test_parts_make_up_the_batch(pool):
    for cutter in cutters(pool):
        whole = cutter.cut(1, WHOLE)
        parts = [cutter.cut(1, part) for part in (slice(0, 4), slice(4, 8))]
        assert torch.equal(whole.hr, torch.cat([part.hr for part in parts]))


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
