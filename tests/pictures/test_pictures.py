"""The upscaler's input path, with files that are odd, damaged or hostile."""

import io
import os
import subprocess
import time
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from fsrcnn.errors import InputError
from fsrcnn.network.weights import released
from fsrcnn.pictures.picture import Metadata, Picture
from fsrcnn.pictures.pillow import from_pillow
from fsrcnn.pictures.reading import read
from fsrcnn.pictures.writing import check, write
from fsrcnn.upscaling.image import Upscaler

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

LIMIT = 25


def pixels(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def png(*chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in (*chunks, (b"IEND", b""))
    )


KINDS = [
    *((shape, np.uint8) for shape in ((9, 7), (9, 7, 2), (9, 7, 3), (9, 7, 4))),
    *((shape, np.uint16) for shape in ((9, 7), (9, 7, 2), (9, 7, 3), (9, 7, 4))),
]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("shape", "dtype"), KINDS)
def test_lossless_files_keep_every_bit_and_the_profile(tmp_path, suffix, shape, dtype):
    path = tmp_path / f"a{suffix}"
    picture = Picture(pixels(*shape, dtype=dtype), Metadata(ICC))
    write(path, picture)
    again = read(path, LIMIT)
    assert again.pixels.dtype == dtype
    assert np.array_equal(again.pixels, picture.pixels)
    assert again.metadata.icc == ICC


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_files_are_close(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    slope = np.linspace(0, 255, 64).astype(np.uint8)[None, :, None].repeat(48, 0).repeat(3, 2)
    write(path, Picture(slope, Metadata(ICC)))
    assert np.abs(read(path, LIMIT).pixels.astype(int) - slope).mean() < 3
    assert read(path, LIMIT).metadata.icc == ICC


def test_sixteen_bit_grey_with_alpha(tmp_path):
    image = pixels(5, 4, 2, dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    header = np.array([4, 5], ">u4").tobytes() + bytes([16, 4, 0, 0, 0])

    path = tmp_path / "a.png"
    path.write_bytes(png((b"IHDR", header), (b"IDAT", zlib.compress(rows))))
    assert np.array_equal(read(path, LIMIT).pixels, image)


def test_palettes_keep_their_transparency():
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    assert from_pillow(palette).pixels.tolist() == [[[10, 20, 30], [40, 50, 60]]]
    palette.info["transparency"] = 1
    assert from_pillow(palette).pixels.tolist() == [[[10, 20, 30, 255], [40, 50, 60, 0]]]


def test_cmyk_becomes_rgb_without_its_profile():
    cmyk = Image.new("CMYK", (3, 2), (0, 255, 255, 0))
    cmyk.info["icc_profile"] = b"no profile"
    picture = from_pillow(cmyk)
    assert picture.metadata.icc is None
    assert picture.pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", [".webp", ".png", ".tiff"])
def test_animations_are_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    frames = [Image.fromarray(pixels(8, 8, 3, seed=seed)) for seed in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="3 frames or pages"):
        read(path, LIMIT)


def test_bombs_are_refused_unread(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (12_000, 10_000)).save(path)  # 120 megapixels in a few kB
    start = time.perf_counter()
    with warnings.catch_warnings(), pytest.raises(InputError, match=r"12000x10000 is above the limit of 25"):
        warnings.simplefilter("ignore")
        read(path, LIMIT)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"\x89PNG\r\n\x1a\n"])
def test_files_that_are_no_pictures(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable picture"):
        read(path, LIMIT)


def test_pipes_and_missing_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("pipe.png", "missing.png"):
        with pytest.raises(InputError, match="not a file"):
            read(tmp_path / name, LIMIT)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(ran) (STARTED) (w) file exch writestring\n"


@pytest.mark.parametrize("kind", ["EPS", "GIF", "PPM", "ICO", "PCX", "TGA"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".webp"])
def test_other_decoders_are_not_started(tmp_path, monkeypatch, kind, suffix):
    path = tmp_path / f"a{suffix}"
    if kind == "EPS":
        path.write_bytes(POSTSCRIPT)
    else:
        Image.new("RGB", (8, 8)).save(path, kind)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    with pytest.raises(InputError, match=r"not a readable picture \(no PNG, JPEG, WebP, BMP or TIFF\)"):
        read(path)


def test_the_second_picture_of_a_phone_is_no_animation(tmp_path):
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("maroon", "teal"))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    assert np.abs(read(tmp_path / "a.jpg").pixels.astype(int) - (128, 0, 0)).max() < 3


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("value", [0, 1])
def test_a_transparent_value_of_grey_in_every_depth(tmp_path, depth, value):
    """It is given in the file's own depth."""
    numbers = np.arange(8) % 2**depth
    row = np.packbits(((numbers[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)).tobytes()
    header = np.array([8, 1], ">u4").tobytes() + bytes([depth, 0, 0, 0, 0])
    (tmp_path / "a.png").write_bytes(
        png((b"IHDR", header), (b"tRNS", bytes([0, value])), (b"IDAT", zlib.compress(b"\0" + row)))
    )
    result = read(tmp_path / "a.png").pixels
    assert result[0, :, 0].tolist() == (numbers * 255 // (2**depth - 1)).tolist()
    assert result[0, :, 1].tolist() == np.where(numbers == value, 0, 255).tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_transparent_colour(tmp_path, dtype):
    image = pixels(4, 5, 3, dtype=dtype)
    bits = 8 * image.itemsize
    rows = b"".join(b"\0" + row.astype(f">u{image.itemsize}").tobytes() for row in image)
    header = np.array([5, 4], ">u4").tobytes() + bytes([bits, 2, 0, 0, 0])
    value = image[2, 3].astype(">u2").tobytes()
    (tmp_path / "a.png").write_bytes(png((b"IHDR", header), (b"tRNS", value), (b"IDAT", zlib.compress(rows))))
    result = read(tmp_path / "a.png").pixels
    assert np.array_equal(result[..., :3], image)
    assert np.argwhere(result[..., 3] == 0).tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("a.jpg", pixels(4, 4, 4), "no alpha"),
        ("a.bmp", pixels(4, 4, 2), "no alpha"),
        ("a.jpg", pixels(4, 4, dtype=np.uint16), "no 16 bits"),
        ("a.webp", pixels(4, 4, 3, dtype=np.uint16), "no 16 bits"),
    ],
)
def test_formats_that_would_lose_something(tmp_path, name, image, message):
    with pytest.raises(InputError, match=message):
        check(tmp_path / name, Picture(image))


def seeds():
    """(suffix, content) of small pictures of every format and kind, uncompressed and compressed."""
    grey, rgb, rgba = pixels(6, 8), pixels(6, 8, 3), pixels(6, 8, 4)
    kinds = [
        ("png", Image.fromarray(grey), {}),
        ("png", Image.fromarray(rgb).quantize(7), {"transparency": 1}),
        ("png", Image.fromarray(rgba), {"icc_profile": ICC}),
        ("png", Image.fromarray(grey.astype(np.uint16) * 200), {}),
        ("jpeg", Image.fromarray(rgb), {"icc_profile": ICC}),
        ("jpeg", Image.fromarray(rgb).convert("CMYK"), {}),
        ("jpeg", Image.fromarray(rgb), {"progressive": True}),
        ("webp", Image.fromarray(rgba), {"lossless": True}),
        ("webp", Image.fromarray(rgb), {}),
        ("bmp", Image.fromarray(rgb), {}),
        ("bmp", Image.fromarray(rgb).quantize(7), {}),
        ("tiff", Image.fromarray(rgb), {}),
        ("tiff", Image.fromarray(rgba), {"compression": "tiff_lzw"}),
        ("tiff", Image.fromarray(rgb), {"compression": "jpeg"}),
        ("tiff", Image.fromarray(grey).convert("1"), {"compression": "group4"}),
    ]
    for kind, image, options in kinds:
        exif = Image.Exif()
        exif[0x0112] = 6
        file = io.BytesIO()
        image.save(file, kind, exif=exif, **options)
        yield f".{kind}", file.getvalue()


def sixteen_bit_seeds(folder):
    for suffix in (".png", ".tif"):
        write(folder / f"seed{suffix}", Picture(pixels(6, 8, 3, dtype=np.uint16), Metadata(ICC)))
        yield suffix, (folder / f"seed{suffix}").read_bytes()
    image = pixels(32, 48, 4, dtype=np.uint16)
    for layout in (
        {"planarconfig": "separate"},
        {"tile": (16, 16)},
        {"compression": "zlib"},
        {"bigtiff": True},
    ):
        samples = np.moveaxis(image, -1, 0) if "planarconfig" in layout else image
        file = io.BytesIO()
        tifffile.imwrite(file, samples, photometric="rgb", extrasamples=["assocalpha"], **layout)
        yield ".tif", file.getvalue()


def mutated(content, random):
    """Flip bytes, cut the end off, repeat, delete or insert a run: what disks, networks and fuzzers do."""
    data = bytearray(content)
    for _ in range(random.integers(1, 4)):
        at = int(random.integers(len(data))) if data else 0
        run = int(random.integers(1, 9))
        match int(random.integers(6)):
            case 0:
                data[at : at + run] = random.bytes(len(data[at : at + run]))
            case 1:
                del data[at:]
            case 2:
                del data[at : at + run]
            case 3:
                data[at:at] = random.bytes(run)
            case 4:
                data[at:at] = data[at : at + run] * 50
            case 5:  # a large or a negative number, in either byte order
                number = random.choice([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1])
                data[at : at + 4] = int(number).to_bytes(4, str(random.choice(["big", "little"])))
    return bytes(data)


CASES = 3_150  # 150 of each seed


def test_fuzzed_files_are_upscaled_or_refused(tmp_path):
    upscaler = Upscaler(released(2))
    random = np.random.default_rng(123)
    all_seeds = [*seeds(), *sixteen_bit_seeds(tmp_path)]
    counts = {"upscaled": 0, "refused": 0}
    for number in range(CASES):
        suffix, content = all_seeds[number % len(all_seeds)]
        path = tmp_path / f"a{suffix}"
        path.write_bytes(mutated(content, random))
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as the command does
            try:
                picture = read(path, max_megapixels=0.02)
                upscaler(picture.pixels)
                counts["upscaled"] += 1
            except InputError as error:
                assert "\n" not in str(error)
                counts["refused"] += 1
        assert time.perf_counter() - start < 5, f"case {number} hangs"
    # Both are common: the files are neither all sound nor all hopeless.
    assert min(counts.values()) > CASES / 10
