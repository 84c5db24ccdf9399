"""What files say of lossy compression."""

import io

import numpy as np
import pytest
from PIL import Image

from fsrcnn.pictures.compression import jpeg_quality
from fsrcnn.pictures.pillow import from_pillow
from fsrcnn.pictures.reading import read

IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_quality_is_what_was_asked_for(tmp_path, mode):
    found = {}
    for quality in range(1, 101):
        IMAGE.convert(mode).save(tmp_path / "a.jpg", quality=quality, subsampling=quality % 3)
        found[quality] = read(tmp_path / "a.jpg").metadata.jpeg_quality
    assert found == {quality: quality for quality in range(1, 101)}


@pytest.mark.parametrize("quality", [30, 60, 90])
def test_tables_of_other_writers_are_near_one_of_libjpegs(quality):
    file = io.BytesIO()
    IMAGE.save(file, "JPEG", quality=quality)
    luma = np.array(Image.open(file).quantization[0])
    # Finer where the eye sees most, as cameras have them; and of 16 bits.
    other = np.where(np.arange(64) < 10, luma * 0.8, luma * 1.1).round().clip(1)
    assert abs(jpeg_quality({0: other.astype(int).tolist()}) - quality) <= 2
    assert jpeg_quality({0: [1000] * 64}) <= 3


@pytest.mark.parametrize("tables", [None, {}, {1: [1] * 64}, {0: [1, 2, 3]}])
def test_no_table_for_luma_is_no_quality(tables):
    assert jpeg_quality(tables) is None


@pytest.mark.parametrize(
    ("name", "options", "lossy"),
    [
        ("a.jpg", {}, True),
        ("a.webp", {}, True),
        ("a.webp", {"lossless": True}, False),
        ("a.png", {}, False),
        ("a.tif", {}, False),
        ("a.bmp", {}, False),
    ],
)
def test_lossy_files(tmp_path, name, options, lossy):
    IMAGE.save(tmp_path / name, **options)
    with Image.open(tmp_path / name) as opened:
        for kept in (read(tmp_path / name).metadata, from_pillow(opened).metadata):
            assert (kept.lossy, kept.lossless) == (lossy, name == "a.webp" and not lossy)
            assert (kept.jpeg_quality is not None) == (name == "a.jpg")


def test_an_image_that_was_changed_is_no_file():
    file = io.BytesIO()
    IMAGE.save(file, "JPEG", quality=50)
    kept = from_pillow(Image.open(file).rotate(90)).metadata
    assert (kept.lossy, kept.jpeg_quality) == (False, None)
