import numpy as np
import pytest

from fsrcnn.data.luma import luma


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((0, 0, 0), 16.0),
        ((255, 255, 255), 234.00408),  # 16 + 255 * 218.859 / 256
        ((255, 0, 0), 80.48512),
        ((0, 255, 0), 144.55287),
        ((0, 0, 255), 40.96609),
        ((1, 2, 3), 17.55484),  # not rounded
    ],
)
def test_luma_of_a_colour(rgb, expected):
    y = luma(np.full((2, 3, 3), rgb, dtype=np.uint8))
    assert y.dtype == np.float32
    assert y.shape == (2, 3)
    np.testing.assert_allclose(y, expected, atol=2e-5)


def test_every_pixel_keeps_its_place():
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    expected = 16 + rgb @ np.array([64.738, 129.057, 25.064]) / 256
    np.testing.assert_allclose(luma(rgb), expected, atol=3e-5)
