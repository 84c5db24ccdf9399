"""Files that can't be written whole, and pictures that a format can't hold."""

import errno
import os
import resource
from pathlib import Path

import numpy as np
import pytest

from fsrcnn.errors import InputError
from fsrcnn.pictures.formats import SUFFIXES
from fsrcnn.pictures.picture import Metadata, Picture, TooLargeError
from fsrcnn.pictures.reading import decode, read
from fsrcnn.pictures.writing import check, encode, write

CASES = Path(__file__).resolve().parents[1] / "cases"
NOISE = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("room", [0, 1, 5_000, 50_000, -1])
def test_a_disk_that_fills_up(tmp_path, suffix, room):
    """A limit on a file's size: a write comes out short, and the next one fails, as on a full disk."""
    path = tmp_path / f"a{suffix}"
    write(path, Picture(NOISE))
    whole = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room % len(whole), limits[1]))
    try:
        with pytest.raises(InputError, match="can't be written"):
            write(path, Picture(NOISE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == whole


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_disk_that_fills_up_with_16_bits(tmp_path, suffix):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(InputError, match="can't be written"):
            write(tmp_path / f"a{suffix}", Picture(NOISE.astype(np.uint16) * 257))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_last_write_that_fails(tmp_path, suffix, monkeypatch):
    """Some shares say only at the end that there is no room."""

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="no space left"):
        write(tmp_path / f"a{suffix}", Picture(NOISE))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("suffix", "shape", "scale", "message"),
    [
        (
            ".jpg",
            (16, 16_376, 3),
            4,
            r"65504x64 pixels; \.jpg has at most 65500 a side; choose \.png",
        ),
        (".jfif", (16_376, 16, 3), 4, "at most 65500"),
        (".webp", (8, 4_096, 3), 4, r"16384x32 pixels; \.webp has at most 16383"),
        (".bmp", (20_000, 20_000, 3), 2, "at most 4 GB"),
    ],
)
def test_limits_of_a_format(tmp_path, suffix, shape, scale, message):
    pixels = np.broadcast_to(np.uint8(0), shape)
    with pytest.raises(InputError, match=message):
        check(tmp_path / f"a{suffix}", Picture(pixels), scale)
    check(tmp_path / "a.png", Picture(pixels), scale)
    check(tmp_path / "a.tif", Picture(pixels), scale)


@pytest.mark.parametrize(("suffix", "side"), [(".jpg", 65_500), (".webp", 16_383)])
def test_the_limits_are_those_of_the_writers(tmp_path, suffix, side):
    write(tmp_path / f"a{suffix}", Picture(np.zeros((1, side, 3), np.uint8)))
    assert read(tmp_path / f"a{suffix}").pixels.shape == (1, side, 3)


def test_a_profile_is_not_dropped_in_silence(tmp_path):
    with pytest.raises(InputError, match=r"\.bmp has no colour profile"):
        check(tmp_path / "a.bmp", Picture(NOISE, Metadata(icc=b"profile")))


@pytest.mark.parametrize(
    "name", ["phone.jpg", "png_text.png", "screenshot_lossless.webp", "tif_with_thumbnail.tif"]
)
def test_bytes_are_those_of_a_file(tmp_path, name):
    source, target = CASES / name, tmp_path / name
    picture = read(source)
    write(target, picture)
    assert encode(Path(name), picture) == target.read_bytes()
    if source.suffix != ".tif":
        again = decode(source.read_bytes())
        assert np.array_equal(again.pixels, picture.pixels)
        assert again.metadata == picture.metadata


def test_bytes_of_a_large_picture_are_refused_by_their_header():
    with pytest.raises(TooLargeError, match=r"above the limit of 0\.001 megapixels"):
        decode((CASES / "phone.jpg").read_bytes(), 0.001)
