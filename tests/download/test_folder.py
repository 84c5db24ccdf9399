import numpy as np
import pytest
import tifffile
from PIL import Image

from fsrcnn.download.folder import read_folder
from fsrcnn.errors import InputError
from fsrcnn.pictures.picture import Picture
from fsrcnn.pictures.writing import write

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_become_the_nearest_8(tmp_path, suffix, channels):
    image = GREY if channels == 1 else np.stack([GREY] * channels, -1)
    write(tmp_path / f"a{suffix}", Picture(image.astype(np.uint16) * 257 + (image % 3).astype(np.uint16)))
    ((name, read),) = read_folder(tmp_path)
    assert (name, read.mode) == ("a", "RGB")
    assert np.array_equal(np.asarray(read), np.stack([GREY] * 3, -1))


def test_pictures_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY[:4]).save(tmp_path / "a.png", exif=exif)
    tifffile.imwrite(tmp_path / "b.tif", GREY[:4], extratags=[(0x0112, "H", 1, 6, True)])
    for _, image in read_folder(tmp_path):
        assert np.array_equal(np.asarray(image)[..., 0], np.rot90(GREY[:4], -1))


def test_a_jfif_is_taken_and_hidden_files_are_not(tmp_path):
    for name in ("a.jfif", "._b.jpg"):
        Image.fromarray(GREY).save(tmp_path / name, "JPEG")
    assert [name for name, _ in read_folder(tmp_path)] == ["a"]


def test_samples_without_a_meaning_as_grey_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(np.int16))
    with pytest.raises(InputError, match=r"a\.tif: signed samples"):
        list(read_folder(tmp_path))
