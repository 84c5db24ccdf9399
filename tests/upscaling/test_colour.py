import numpy as np
import pytest
from PIL import Image

from fsrcnn.data.luma import luma
from fsrcnn.upscaling.colour import bicubic_columns, bicubic_rows, grey_of_luma, luma_of_grey, merge, split


def noise(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def test_luma_is_that_of_the_training_data():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    y, _ = split(pixels.transpose(2, 0, 1) / np.float32(255))
    np.testing.assert_allclose(y, luma(pixels) / 255, atol=2e-7)


def test_merge_undoes_split():
    rgb = noise(3, 9, 7)
    assert np.abs(merge(*split(rgb)) - rgb).max() < 1e-6


def test_grey_has_no_chroma():
    grey = noise(9, 7)
    y, chroma = split(np.broadcast_to(grey, (3, 9, 7)))
    assert np.abs(chroma).max() < 1e-6
    assert np.abs(y - luma_of_grey(grey)).max() < 1e-6
    assert np.abs(grey_of_luma(y) - grey).max() < 1e-6


def test_new_luma_leaves_chroma_alone():
    y, chroma = split(noise(3, 9, 7))
    changed_y, changed_chroma = split(merge(y + 0.1, chroma))
    assert np.abs(changed_y - y - 0.1).max() < 1e-6
    assert np.abs(changed_chroma - chroma).max() < 2e-6


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(9, 7), (1, 1), (2, 3), (30, 2)])
def test_bicubic_is_that_of_the_baseline(scale, height, width):
    planes = noise(2, height, width)
    wide = bicubic_columns(planes, scale)
    strips = [bicubic_rows(wide, scale, i, min(i + 4, height)) for i in range(0, height, 4)]
    for plane, large in zip(planes, np.concatenate(strips, axis=1), strict=True):
        size = (width * scale, height * scale)
        expected = Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)
        np.testing.assert_allclose(large, np.asarray(expected), atol=1e-6)
