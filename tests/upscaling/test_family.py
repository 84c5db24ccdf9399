"""Which released network a file gets."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

import fsrcnn
from fsrcnn.cli import main
from fsrcnn.network import checkpoint, weights
from fsrcnn.network.model import FSRCNN
from fsrcnn.upscaling.image import released_upscaler

IMAGE = Image.fromarray(data.astronaut()[:60, 200:280])
FAMILIES = {
    "q30.jpg": ({"quality": 30}, "photo"),
    "q90.jpg": ({"quality": 90}, "photo"),
    "q91.jpg": ({"quality": 91}, "clean"),
    "q95.JPEG": ({"quality": 95}, "clean"),
    "lossy.webp": ({}, "photo"),
    "lossless.webp": ({"lossless": True}, "clean"),
    "a.png": ({}, "clean"),
    "a.tif": ({}, "clean"),
    "packed.tif": ({"compression": "tiff_adobe_deflate"}, "clean"),
    "jpeg.tif": ({"compression": "jpeg", "quality": 70}, "photo"),
    "a.bmp": ({}, "clean"),
}


@pytest.fixture
def photo_is_released(tmp_path, monkeypatch):
    """A photo network at x2 beside the real clean one, which it differs from."""
    folder = tmp_path / "released"
    folder.mkdir()
    weights.save(weights.released(2), folder / "x2.safetensors")
    checkpoint.save(FSRCNN(2, d=8, s=4, m=1), folder / "photo-x2.safetensors", {})
    monkeypatch.setattr(weights, "RELEASED", folder)
    released_upscaler.cache_clear()
    yield
    released_upscaler.cache_clear()


@pytest.fixture
def files(tmp_path):
    """A file of every kind."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name, (options, _) in FAMILIES.items():
        IMAGE.save(folder / name, **options)
    return folder


def by(family, path):
    return np.asarray(released_upscaler(2, family, "auto")(np.asarray(Image.open(path))))


def test_every_file_of_a_folder_gets_its_own(files, tmp_path, photo_is_released, capsys):
    assert main(["upscale", str(files), "--scale", "2", "--verbose"]) == 0
    said = capsys.readouterr().err
    for name, (_, family) in FAMILIES.items():
        assert f"{files / name}: the network for {family} pictures, since " in said
        made = np.asarray(Image.open(tmp_path / "in_x2" / name)).astype(int)
        other = {"clean": "photo", "photo": "clean"}[family]
        distances = [np.abs(made - by(f, files / name)).mean() for f in (family, other)]
        assert distances[0] < 3 < distances[1], name
    assert f"{files / 'q30.jpg'}: the network for photo pictures, since its JPEG quality is 30" in said


@pytest.mark.parametrize("family", ["clean", "photo"])
def test_what_is_asked_for_is_what_is_used(files, tmp_path, photo_is_released, family, capsys):
    assert main(["upscale", str(files / "a.png"), "--scale", "2", "--for", family]) == 0
    assert "network for" not in capsys.readouterr().err
    made = np.asarray(Image.open(files / "a_x2.png"))
    assert np.array_equal(made, by(family, files / "a.png"))
    for image in (IMAGE, np.asarray(IMAGE)):
        assert np.array_equal(np.asarray(fsrcnn.upscale(image, 2, family=family)), made)


def test_an_opened_image_says_what_it_is(files, photo_is_released):
    for name, (_, family) in FAMILIES.items():
        with Image.open(files / name) as image:
            large = fsrcnn.upscale(image, 2)
            assert np.array_equal(np.asarray(large), by(family, files / name)), name
    array = np.asarray(Image.open(files / "q30.jpg"))
    assert np.array_equal(fsrcnn.upscale(array, 2), by("clean", files / "q30.jpg"))


def test_ones_own_network_is_for_all(files, tmp_path, capsys):
    own = tmp_path / "own.safetensors"
    checkpoint.save(FSRCNN(2, d=8, s=4, m=1), own, {})
    with pytest.raises(SystemExit, match="2"):
        main(["upscale", str(files), "--weights", str(own), "--for", "photo"])
    assert "--for: not allowed with argument --weights" in capsys.readouterr().err
