import io
import zlib

import numpy as np
import pytest
from PIL import Image

from fsrcnn.pictures import idat, png
from fsrcnn.pictures.picture import Metadata


def noise(shape, dtype):
    rng = np.random.default_rng(0)
    # Half of it smooth: a filter that is wrong would show in either.
    pixels = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    pixels[: shape[0] // 2] = np.arange(shape[0] // 2).reshape(-1, *[1] * (len(shape) - 1))
    return pixels


@pytest.mark.parametrize("strip", [1, 1000, 2**21])
@pytest.mark.parametrize("shape", [(1, 1), (70, 33), (70, 33, 2), (70, 33, 3), (1, 5, 4), (70, 33, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_strips_are_one_stream_that_reads_back(monkeypatch, strip, shape, dtype):
    monkeypatch.setattr(idat, "STRIP", strip)
    monkeypatch.setattr(idat, "BLOCK", 200)
    pixels = noise(shape, dtype)
    # Which checks the sum at the end, as not every reader of PNG does.
    assert len(zlib.decompress(b"".join(idat.compressed(pixels)))) == pixels.nbytes + len(pixels)
    content = b"".join(png.write(pixels, Metadata()))
    np.testing.assert_array_equal(png.read(content, None, []).pixels, pixels)


def test_a_view_of_an_array_is_written():
    pixels = noise((40, 60, 3), np.uint8)[::2, 5:50]
    content = b"".join(png.write(pixels, Metadata()))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), pixels)
