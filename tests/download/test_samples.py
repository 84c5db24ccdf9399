import sys

import numpy as np
import pytest

from fsrcnn.download.samples import EVALUATION, TRAIN, photographs
from fsrcnn.errors import InputError


@pytest.mark.parametrize("names", [TRAIN, EVALUATION])
def test_photographs_are_bundled_and_small(names):
    images = photographs(names)
    assert [stem for stem, _ in images] == [name.rsplit(".", 1)[0] for name in names]
    for stem, image in images:
        assert image.mode == "RGB", stem
        assert 100 < max(image.size) <= 320, stem
        assert np.asarray(image).std() > 10, stem  # a photograph, not an empty frame


def test_no_photograph_is_in_both():
    assert len(set(TRAIN)) == len(TRAIN) >= 5
    assert len(set(EVALUATION)) == len(EVALUATION) >= 3
    assert not set(TRAIN) & set(EVALUATION)
    pixels = [image.resize((32, 32)).tobytes() for _, image in photographs(TRAIN + EVALUATION)]
    assert len(set(pixels)) == len(pixels)


def test_halving_averages_two_by_two_and_keeps_small_pictures():
    ((_, whole),) = photographs(("astronaut.png",), largest_side=512)
    ((_, half),) = photographs(("astronaut.png",), largest_side=511)
    assert whole.size == (512, 512)
    assert half.size == (256, 256)
    mean = np.asarray(whole, np.float64).reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    assert np.abs(np.asarray(half) - mean).max() <= 0.5


def test_without_scikit_image(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(InputError, match=r"data\.source=sample: scikit-image is not installed") as caught:
        photographs(TRAIN)
    assert "\n" not in str(caught.value)
