from collections import Counter

import numpy as np
import pytest
from PIL import Image

from fsrcnn.data.degradation import CLEAN, GRID, Degradation, degrade, random_photo
from fsrcnn.data.luma import grey, luma
from fsrcnn.data.pairs import upscale_bicubic

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def photograph():
    """A picture with edges and texture, 8-bit RGB, 240x192."""
    coarse = RANDOM.integers(256, size=(24, 30, 3), dtype=np.uint8)
    large = Image.fromarray(coarse).resize((240, 192), Image.Resampling.LANCZOS)
    noisy = np.asarray(large) + RANDOM.normal(0, 4, (192, 240, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def error(one, other):
    return np.abs(np.asarray(one, float) - np.asarray(other, float)).mean()


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("name", GRID)
def test_sides_and_mode(photograph, scale, mode, name):
    lr = degrade(photograph.convert(mode), scale, GRID[name])
    assert (lr.size, lr.mode) == ((240 // scale, 192 // scale), mode)


def test_clean_is_the_benchmarks(photograph):
    expected = photograph.resize((60, 48), Image.Resampling.BICUBIC)
    assert np.array_equal(degrade(photograph, 4, CLEAN), expected)


def test_a_lower_quality_is_further_from_clean(photograph):
    clean = degrade(photograph, 4)
    errors = [error(degrade(photograph, 4, GRID[f"jpeg{q}"]), clean) for q in (95, 85, 75, 50, 30)]
    assert errors[0] > 0
    assert errors == sorted(errors)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_area_is_the_mean(photograph, scale):
    blocks = np.asarray(photograph, float).reshape(192 // scale, scale, 240 // scale, scale, 3)
    assert np.abs(degrade(photograph, scale, GRID["area"]) - blocks.mean((1, 3))).max() <= 1


def test_what_aliases_sees_the_pixels_around_the_centre(photograph):
    pixels = np.asarray(photograph, float)
    expected = sum(pixels[1 + i :: 4, 1 + j :: 4] for i in (0, 1) for j in (0, 1)) / 4
    assert np.abs(degrade(photograph, 4, Degradation("aliased bilinear")) - expected).max() <= 1
    assert np.array_equal(degrade(photograph, 3, Degradation("aliased bicubic")), pixels[1::3, 1::3])


def test_blur_smooths_and_sharpening_does_the_opposite(photograph):
    def roughness(blur):
        return np.abs(
            np.diff(np.asarray(degrade(photograph, 4, Degradation(blur=blur)), float), axis=0)
        ).mean()

    assert roughness(0.5) < roughness(0.0) < roughness(-0.5)


def test_no_reduction_shifts_the_picture(photograph):
    y = luma(np.asarray(photograph))
    for name, degradation in GRID.items():
        up = upscale_bicubic(luma(np.asarray(degrade(photograph, 4, degradation))), 4)
        here, left, right = (error(up[8:-8, 8:-8], y[8:-8, 8 + d : 232 + d]) for d in (0, -1, 1))
        assert here < min(left, right), name


def test_random_photos_are_of_every_kind_and_follow_from_the_seed():
    def draws():
        random = np.random.default_rng(3)
        return [random_photo(random) for _ in range(4000)]

    drawn = draws()
    assert drawn == draws()
    kinds = Counter(degradation.reduction for degradation in drawn)
    assert kinds["bicubic"] > kinds["area"] > kinds["bilinear"] > kinds["aliased bicubic"] > 0
    assert kinds["lanczos"] and kinds["aliased bilinear"]
    assert 0.17 < np.mean([d.quality is None for d in drawn]) < 0.23
    assert {d.quality for d in drawn} == {None, *range(35, 96)}
    assert {d.subsampling for d in drawn} == {0, 2}
    assert min(d.blur for d in drawn) < -0.4 < 0.4 < max(d.blur for d in drawn)


def test_grey_undoes_luma():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(grey(luma(np.stack([levels] * 3, axis=-1)[None]))[0], levels)
    assert grey(np.array([0.0, 255.0], np.float32)).tolist() == [0, 255]
