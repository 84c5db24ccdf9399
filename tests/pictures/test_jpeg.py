import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fsrcnn.pictures import jpeg
from fsrcnn.pictures.picture import Metadata


def photograph(height, width):
    return np.resize(data.astronaut(), (height, width, 3))


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("height", [65, 128, 129, 1000])
def test_strips_are_the_picture_in_one_piece(monkeypatch, grey, height):
    pixels = photograph(height, 77)
    pixels = pixels[..., 0] if grey else pixels
    (whole,) = jpeg.write(pixels, Metadata())
    monkeypatch.setattr(jpeg, "STRIP", 1)
    parts = list(jpeg.write(pixels, Metadata()))
    assert len(parts) == 2 * -(-height // 64) + 1
    joined, one = (Image.open(io.BytesIO(content)) for content in (b"".join(parts), whole))
    assert joined.size == (77, height)
    np.testing.assert_array_equal(np.asarray(joined), np.asarray(one))


def test_strips_keep_what_belongs_to_the_picture(monkeypatch):
    monkeypatch.setattr(jpeg, "STRIP", 1)
    with Image.open("tests/cases/phone.jpg") as image:
        exif = image.getexif().tobytes()
    kept = Metadata(dpi=(300, 300), exif=exif, xmp=b"<x/>", comment=b"a word", icc=b"profile")
    with Image.open(io.BytesIO(b"".join(jpeg.write(photograph(200, 60), kept)))) as image:
        assert image.info["dpi"] == (300, 300)
        assert image.info["comment"] == b"a word"
        assert image.info["xmp"] == b"<x/>"
        assert image.info["icc_profile"] == b"profile"
        assert dict(image.getexif()) == dict(Image.open("tests/cases/phone.jpg").getexif())
