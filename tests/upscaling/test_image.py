from functools import lru_cache

import numpy as np
import pytest
from PIL import Image
from skimage import data

import fsrcnn
from fsrcnn.errors import InputError
from fsrcnn.inference import backends
from fsrcnn.network.weights import released
from fsrcnn.upscaling.colour import luma_of_grey
from fsrcnn.upscaling.image import Upscaler


def photograph(channels=3):
    """(60, 80, c) uint8, with detail."""
    rgb = data.astronaut()[:240, 100:420][::4, ::4]
    alpha = np.linspace(1, 255, 80).astype(np.uint8)[None, :, None].repeat(60, 0)
    return {1: rgb[..., 1], 2: np.dstack([rgb[..., 1:2], alpha]), 3: rgb, 4: np.dstack([rgb, alpha])}[
        channels
    ]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_array_keeps_its_kind(channels, scale):
    image = photograph(channels)
    large = fsrcnn.upscale(image, scale)
    assert large.dtype == np.uint8
    assert large.shape == (60 * scale, 80 * scale, *image.shape[2:])
    # Averaged back it is the image again.
    back = large.reshape(60, scale, 80, scale, -1).mean((1, 3))
    assert np.abs(back - image.reshape(60, 80, -1)).mean() < 4


def test_values_do_not_depend_on_the_type():
    image = photograph(4)
    eight = fsrcnn.upscale(image)
    sixteen = fsrcnn.upscale(image.astype(np.uint16) * 257)
    real = fsrcnn.upscale(image.astype(np.float32) / 255)
    assert sixteen.dtype == np.uint16
    assert real.dtype == np.float32
    assert np.abs(eight - real * 255).max() < 0.51
    assert np.abs(sixteen - real * 65535).max() < 0.6
    # More than 8 bits are in it.
    assert len(np.unique(sixteen)) > 10 * len(np.unique(eight))


@lru_cache
def upscaler(scale, backend):
    return Upscaler(released(scale), backend)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (1, 700), (60, 80), (150, 300)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_engine_equals_numpy_around_the_network(scale, shape, channels, dtype):
    """One of them in C, row by row; the other in windows. Black, white and both ends of chroma are in it."""
    if "native" not in backends.available():
        pytest.skip("no C compiler")
    rng = np.random.default_rng(0)
    image = np.resize(photograph(channels) / 255, (*shape, channels))
    image[rng.random(shape) < 0.02] = rng.integers(0, 2, channels)
    peak = 1 if dtype == np.float32 else np.iinfo(dtype).max
    image = (image * peak).astype(dtype)[..., 0 if channels == 1 else slice(None)]
    large, expected = upscaler(scale, "native")(image), upscaler(scale, "eager")(image)
    assert large.dtype == dtype
    difference = np.abs(large.astype(np.float64) - expected)
    # Float32 rounding, and what it makes of a number that lies between two whole ones.
    assert difference.max() <= {1: 5e-5, 255: 1, 65535: 4}[peak]
    assert peak != 255 or (difference > 0).sum() <= 1 + large.size / 1000


def test_rows_that_lie_apart():
    """A view of some columns, as a frame of a clip is."""
    image = photograph()
    np.testing.assert_array_equal(fsrcnn.upscale(image[:, 10:40]), fsrcnn.upscale(image[:, 10:40].copy()))


def test_luma_is_the_networks():
    import torch

    grey = photograph(1).astype(np.float32) / 255
    with torch.inference_mode():
        y = torch.from_numpy(luma_of_grey(grey)[None, None])
        expected = fsrcnn.load_pretrained(4)(y)[0, 0].numpy()
    large = luma_of_grey(fsrcnn.upscale(grey))
    inside = (expected > luma_of_grey(np.zeros(1))) & (expected < luma_of_grey(np.ones(1)))
    assert inside.mean() > 0.9
    assert np.abs(large - expected)[inside].max() < 1e-5


def test_chroma_and_alpha_are_bicubic():
    rgba = photograph(4)
    large = fsrcnn.upscale(rgba)
    bicubic = np.asarray(Image.fromarray(rgba[..., 3]).resize((320, 240), Image.Resampling.BICUBIC))
    assert np.abs(large[..., 3].astype(int) - bicubic).max() <= 1
    # Where nothing is clamped, R - B is chroma alone.
    rgb = (rgba[..., :3] / 255 * 0.4 + 0.3).astype(np.float32)
    difference = Image.fromarray(rgb[..., 0] - rgb[..., 2]).resize((320, 240), Image.Resampling.BICUBIC)
    out = fsrcnn.upscale(rgb)
    np.testing.assert_allclose(out[..., 0] - out[..., 2], np.asarray(difference), atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("L", "L"),
        ("LA", "LA"),
        ("RGB", "RGB"),
        ("RGBA", "RGBA"),
        ("P", "RGB"),
        ("1", "L"),
        ("CMYK", "RGB"),
        ("I;16", "I;16"),
    ],
)
def test_pillow_image_comes_back_as_one(mode, expected):
    image = Image.fromarray(photograph())
    image = image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)
    large = fsrcnn.upscale(image, 2)
    assert (large.mode, large.size) == (expected, (160, 120))


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 700), (700, 1, 4), (2, 3, 2)])
def test_tiny_and_thin_images(shape):
    large = fsrcnn.upscale(np.full(shape, 128, np.uint8))
    assert large.shape == (shape[0] * 4, shape[1] * 4, *shape[2:])
    assert np.abs(large.astype(int) - 128).mean() < 40


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 5), np.uint8), "shape"),
        (np.zeros(4, np.uint8), "shape"),
        (np.zeros((0, 4), np.uint8), "empty"),
        (np.zeros((4, 4)), "float64"),
        (np.full((4, 4), 2, np.float32), "outside"),
        (np.full((4, 4), np.nan, np.float32), "outside"),
        ([[0, 1]], "list"),
        (Image.new("F", (4, 4)), "32-bit"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(InputError, match=message):
        fsrcnn.upscale(image)


def test_other_scales_are_refused():
    with pytest.raises(InputError, match="no released network for scale 5"):
        fsrcnn.upscale(photograph(), 5)
