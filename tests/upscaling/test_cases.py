"""Files that once went wrong, through the command: what stands for a kind in tests/cases."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from fsrcnn.cli import main
from fsrcnn.pictures.reading import read

CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture
def upscaled(tmp_path):
    """Upscale a copy of a case; the output's path."""

    def run(name, *options):
        source = tmp_path / name
        shutil.copy(CASES / name, source)
        assert main(["upscale", str(source), "--scale", "2", *options]) == 0
        return source.with_name(f"{source.stem}_x2{source.suffix}")

    return run


def refused(tmp_path, capsys, name):
    shutil.copy(CASES / name, tmp_path / name)
    assert main(["upscale", str(tmp_path / name)]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fsrcnn: ")]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    return line


@pytest.mark.parametrize(
    ("name", "dpi"),
    [("scan300.jpg", (300, 300)), ("rgb16_dpi300.tif", (300, 300)), ("fax_g4.tif", (204, 196))],
)
def test_scans_keep_their_resolution(upscaled, name, dpi):
    assert read(upscaled(name)).metadata.dpi == dpi


def test_a_phones_picture_keeps_what_belongs_to_it(upscaled):
    path = upscaled("phone.jpg")
    with Image.open(CASES / "phone.jpg") as before, Image.open(path) as after:
        assert after.size == (2 * before.height, 2 * before.width)  # it is stored turned
        old, new = before.getexif(), after.getexif()
        for block in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            assert old.get_ifd(block)
            assert new.get_ifd(block) == old.get_ifd(block)
        gone = {ExifTags.Base.Orientation}
        pointers = {ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo}
        assert {tag: v for tag, v in new.items() if tag not in pointers} == {
            tag: v for tag, v in old.items() if tag not in pointers | gone
        }
        assert new.get_ifd(ExifTags.IFD.IFD1) == {}
        assert after.info["xmp"] == before.info["xmp"]
        assert after.info["photoshop"] == before.info["photoshop"]
        assert after.info["icc_profile"] == before.info["icc_profile"]


def test_texts_of_a_png(upscaled):
    with Image.open(upscaled("png_text.png")) as image:
        image.load()
        assert (image.text["Title"], image.text["Author"]) == ("My picture", "A. Author")
        assert image.info["xmp"]


def test_a_lossless_screenshot(upscaled, tmp_path):
    path = upscaled("screenshot_lossless.webp")
    assert b"VP8L" in path.read_bytes()[:64]
    # The same picture through a format that loses nothing.
    Image.open(CASES / "screenshot_lossless.webp").save(tmp_path / "a.png")
    assert main(["upscale", str(tmp_path / "a.png"), "--scale", "2"]) == 0
    assert np.array_equal(read(path).pixels, read(tmp_path / "a_x2.png").pixels)


@pytest.mark.parametrize(("name", "kind"), [("linear_gama.png", b"gAMA"), ("cicp_p3.png", b"cICP")])
def test_colour_tags_of_a_png(upscaled, name, kind):
    def chunk(path):
        data = path.read_bytes()
        at = data.index(kind)
        return data[at : at + 4 + int.from_bytes(data[at - 4 : at], "big")]

    assert chunk(upscaled(name)) == chunk(CASES / name)


def test_a_transparent_value_of_16_bit_grey(upscaled):
    with Image.open(CASES / "grey16_trns.png") as image:
        hidden = np.asarray(image) == image.info["transparency"]
    pixels = read(upscaled("grey16_trns.png")).pixels
    assert (pixels.dtype, pixels.shape) == (np.uint16, (128, 160, 2))
    inside = hidden[1:-1, 1:-1] & hidden[:-2, 1:-1] & hidden[2:, 1:-1] & hidden[1:-1, :-2] & hidden[1:-1, 2:]
    assert (pixels[::2, ::2, 1][1:-1, 1:-1][inside] < 10_000).all()
    assert (pixels[..., 1].reshape(64, 2, 80, 2).mean((1, 3))[~hidden] > 30_000).mean() > 0.95


def test_premultiplied_alpha(upscaled):
    stored = tifffile.imread(CASES / "rgb16_assoc_alpha.tif").astype(float)
    colours = stored[..., :3] * 65535 / stored[..., 3:]
    pixels = read(upscaled("rgb16_assoc_alpha.tif")).pixels
    back = pixels.astype(float).reshape(64, 2, 80, 2, 4).mean((1, 3))
    assert np.abs(back[..., :3] - colours).mean() < 300
    assert np.abs(back[..., 3] - stored[..., 3]).mean() < 300


def test_signed_samples(tmp_path, capsys):
    assert "ct_signed16.tif: signed samples; " in refused(tmp_path, capsys, "ct_signed16.tif")


def test_a_thumbnail_is_no_page(upscaled):
    assert read(upscaled("tif_with_thumbnail.tif")).pixels.shape == (128, 160, 3)


def test_a_magenta_key_leaves_no_rim(upscaled):
    with Image.open(CASES / "sprite_magenta_key.png") as image:
        before = np.asarray(image.convert("RGBA")).astype(float)
    after = read(upscaled("sprite_magenta_key.png")).pixels.astype(float)
    visible = before[before[..., 3] > 0]
    # Magenta is where red and blue are above green.
    most = (np.minimum(visible[:, 0], visible[:, 2]) - visible[:, 1]).max()
    seen = after[after[..., 3] > 0]
    excess = (np.minimum(seen[:, 0], seen[:, 2]) - seen[:, 1]) * seen[:, 3] / 255
    assert excess.max() <= max(most, 0) + 8


def test_a_panorama_too_long_for_a_jpeg(tmp_path, capsys, monkeypatch):
    from fsrcnn.upscaling.image import Upscaler

    monkeypatch.setattr(Upscaler, "__call__", lambda *_: pytest.fail("the work was begun"))
    line = refused(tmp_path, capsys, "panorama_17000.jpg")
    assert "68000x240 pixels; .jpg has at most 65500 a side; choose .png or .tif" in line


def test_a_jfif_is_a_jpeg(tmp_path):
    (tmp_path / "in").mkdir()
    shutil.copy(CASES / "photo.jfif", tmp_path / "in")
    assert main(["upscale", str(tmp_path / "in")]) == 0
    with Image.open(tmp_path / "in_x4" / "photo.jfif") as image:
        assert image.format == "JPEG"


@pytest.mark.skipif(not (shutil.which("gcc") and sys.platform == "linux"), reason="needs gcc and LD_PRELOAD")
@pytest.mark.parametrize("name", ["nochmod", "nodirsync"])
def test_mounts_that_refuse(tmp_path, name):
    library = tmp_path / f"{name}.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, CASES / f"{name}.c", "-ldl"], check=True)
    shutil.copy(CASES / "photo.jfif", tmp_path)
    command = [sys.executable, "-m", "fsrcnn", "upscale", str(tmp_path / "photo.jfif")]
    done = subprocess.run(
        command, env={**os.environ, "LD_PRELOAD": str(library)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "fsrcnn:" not in done.stderr
    assert read(tmp_path / "photo_x4.jfif").pixels.shape == (256, 320, 3)
