"""Whatever colour lies under full transparency, what is seen is the same, and has no rim."""

import numpy as np
import pytest
from PIL import Image

import fsrcnn
from fsrcnn.upscaling.transparency import continued

KEYS = {"magenta": (255, 0, 255), "black": (0, 0, 0), "white": (255, 255, 255), "green": (0, 255, 0)}
COLOUR = (200, 120, 40)


def sprite(key, side=64):
    """A disc of one colour with a soft edge on a transparent key, (side, side, 4) uint8."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    alpha = np.clip((side / 3 - np.hypot(x, y)) * 255 / 2 + 128, 0, 255).round()
    image = np.empty((side, side, 4), np.uint8)
    image[..., :3] = np.where(alpha[..., None] > 0, COLOUR, key)
    image[..., 3] = alpha
    return image


def on(ground, image):
    """What is seen on a ground, as floats of 0..1."""
    image = image / float(np.iinfo(image.dtype).max)
    return image[..., :-1] * image[..., -1:] + ground * (1 - image[..., -1:])


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [2, 4])
def test_the_key_is_not_seen_on_any_ground(scale, dtype, channels):
    results = {}
    for name, key in KEYS.items():
        image = sprite(key)[..., 4 - channels :] if channels == 4 else sprite(key)[..., [0, 3]]
        image = image.astype(dtype) * (257 if dtype == np.uint16 else 1)
        results[name] = fsrcnn.upscale(image, scale)
    colour = np.array(COLOUR[: channels - 1]) / 255
    for ground in (0, 0.5, 1):
        seen = [on(ground, result) for result in results.values()]
        for other in seen[1:]:
            # Numbers that are not seen can move the last bit of those that are, in 16 bits.
            assert np.abs(seen[0] - other).max() <= (0 if dtype == np.uint8 else 4 / 65535)
        # Between the colour and the ground everywhere: no rim, neither bright nor dark.
        low, high = np.minimum(colour, ground), np.maximum(colour, ground)
        assert (seen[0] - high).max() < 0.02
        assert (low - seen[0]).max() < 0.02


def test_a_palette_with_a_key(tmp_path):
    """The same through Pillow: what pixel art is."""
    seen = []
    for key in KEYS.values():
        image = Image.new("P", (40, 40))
        image.putpalette([*key, *COLOUR])
        image.paste(1, (10, 10, 30, 30))
        image.info["transparency"] = 0
        seen.append(on(1, np.asarray(fsrcnn.upscale(image, 2))))
    assert all(np.array_equal(seen[0], other) for other in seen[1:])


def test_colours_are_continued_from_the_nearest_pixels():
    image = np.zeros((5, 9, 4), np.uint8)
    image[:, 0] = (10, 20, 30, 255)
    image[:, 8] = (90, 80, 70, 1)
    result = continued(image, 3)
    assert np.array_equal(result[..., 3], image[..., 3])
    assert (result[:, :4, :3] == (10, 20, 30)).all()
    assert (result[:, 5:, :3] == (90, 80, 70)).all()
    assert (result[:, 4, :3] == 0).all()  # further away than that


@pytest.mark.parametrize("alpha", [0, 255])
def test_nothing_to_do(alpha):
    image = np.full((4, 4, 2), alpha, np.uint8)
    assert continued(image, 3) is image
