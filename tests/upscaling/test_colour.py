import numpy as np
import pytest
import torch
from PIL import Image

from fsrcnn.data.luma import luma
from fsrcnn.upscaling.colour import bicubic, grey_of_luma, luma_of_grey, merge, split


def noise(*shape):
    return torch.from_numpy(np.random.default_rng(0).random(shape, dtype=np.float32))


def test_luma_is_that_of_the_training_data():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    y, _ = split(torch.from_numpy(pixels).permute(2, 0, 1) / 255)
    np.testing.assert_allclose(y.numpy(), luma(pixels) / 255, atol=2e-7)


def test_merge_undoes_split():
    rgb = noise(3, 9, 7)
    assert (merge(*split(rgb)) - rgb).abs().max() < 1e-6


def test_grey_has_no_chroma():
    grey = noise(9, 7)
    y, chroma = split(grey.expand(3, 9, 7))
    assert chroma.abs().max() < 1e-6
    assert (y - luma_of_grey(grey)).abs().max() < 1e-6
    assert (grey_of_luma(y) - grey).abs().max() < 1e-6


def test_new_luma_leaves_chroma_alone():
    y, chroma = split(noise(3, 9, 7))
    changed_y, changed_chroma = split(merge(y + 0.1, chroma))
    assert (changed_y - y - 0.1).abs().max() < 1e-6
    assert (changed_chroma - chroma).abs().max() < 2e-6


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_that_of_the_baseline(scale):
    planes = noise(2, 9, 7)
    for plane, large in zip(planes, bicubic(planes, scale), strict=True):
        expected = Image.fromarray(plane.numpy()).resize((7 * scale, 9 * scale), Image.Resampling.BICUBIC)
        np.testing.assert_allclose(large.numpy(), np.asarray(expected), atol=1e-5)
