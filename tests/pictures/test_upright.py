"""Every format and mode in every orientation: stored turned, read upright, written upright."""

import io
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from fsrcnn.pictures.pillow import from_pillow
from fsrcnn.pictures.reading import read
from fsrcnn.pictures.writing import write

ORIENTATION = 0x0112
# What EXIF says of the stored picture, and what undoes it.
UNDO = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}


def pixels(channels, bits):
    """(13, 9) or (13, 9, channels), each corner and channel unlike the others."""
    peak = 2**bits - 1
    shape = (13, 9, channels)
    image = np.random.default_rng(channels).integers(0, peak, shape, endpoint=True)
    image[:4, :4] = peak
    if channels in (2, 4):
        image[..., -1] = np.maximum(image[..., -1], 1)
    image = image.astype(np.uint16 if bits == 16 else np.uint8)
    return image[..., 0] if channels == 1 else image


def exif(orientation):
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


def png_without_orientation(image, bits):
    """By a library that is not under test: of 16-bit grey with alpha, which none writes, as 8-bit RGBA."""
    if bits == 16 and image.ndim == 3 and image.shape[2] in (3, 4):
        return cv2.imencode(".png", image[..., [2, 1, 0, 3][: image.shape[2]]])[1].tobytes()
    file = io.BytesIO()
    if bits == 1:
        Image.fromarray(image * 255).convert("1").save(file, "PNG")
    elif bits == 16 and image.ndim == 3:
        Image.fromarray(image.astype(">u2").view(np.uint8)).save(file, "PNG")
        data = file.getvalue()
        header = data[12:24] + bytes([16, 4]) + data[26:29]
        return data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:]
    else:
        Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def png(path, image, bits, orientation):
    data = png_without_orientation(image, bits)
    body = b"eXIf" + exif(orientation).tobytes().removeprefix(b"Exif\0\0")
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    path.write_bytes(data[:33] + chunk + data[33:])


def tiff(path, image, bits, orientation):
    channels = 1 if image.ndim == 2 else image.shape[2]
    tifffile.imwrite(
        path,
        image.astype(bool) if bits == 1 else image,
        photometric="rgb" if channels >= 3 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        extratags=[(ORIENTATION, "H", 1, orientation, True)],
        metadata=None,
    )


def by_pillow(path, image, bits, orientation):
    options = {"quality": 100, "subsampling": 0} if path.suffix == ".jpg" else {"lossless": True}
    Image.fromarray(image).save(path, exif=exif(orientation), **options)


def lzw(path, image, bits, orientation):
    made = Image.fromarray(image * 255).convert("1") if bits == 1 else Image.fromarray(image)
    compression = "group4" if bits == 1 else "tiff_lzw"
    made.save(path, exif=exif(orientation), compression=compression)


CASES = [
    (".jpg", by_pillow, [(8, 1), (8, 3)]),
    (".webp", by_pillow, [(8, 3), (8, 4)]),
    (".png", png, [(1, 1), *((bits, channels) for bits in (8, 16) for channels in (1, 2, 3, 4))]),
    (".tif", tiff, [(1, 1), *((bits, channels) for bits in (8, 16) for channels in (1, 2, 3, 4))]),
    (".tif", lzw, [(1, 1), (8, 1), (8, 2), (8, 3), (8, 4), (16, 1)]),
]


@pytest.mark.parametrize("orientation", UNDO)
@pytest.mark.parametrize(
    ("suffix", "save", "bits", "channels"),
    [(suffix, save, *kind) for suffix, save, kinds in CASES for kind in kinds],
)
def test_stored_turned_read_upright_written_upright(tmp_path, suffix, save, bits, channels, orientation):
    path = tmp_path / f"a{suffix}"
    image = pixels(channels, bits)
    save(path, image, bits, orientation)
    expected = UNDO[orientation](image * 255 if bits == 1 else image)
    tolerance = 40 if suffix == ".jpg" else 0  # noise is hard for a JPEG
    picture = read(path)
    assert picture.pixels.shape == expected.shape
    assert np.abs(picture.pixels.astype(int) - expected).max() <= tolerance
    if bits != 16:
        with Image.open(path) as opened:
            library = from_pillow(opened).pixels
        assert np.array_equal(library, picture.pixels)
    again = tmp_path / f"b{suffix}"
    write(again, picture._replace(metadata=picture.metadata._replace(lossless=True)))
    assert np.abs(read(again).pixels.astype(int) - expected).max() <= 2 * tolerance
    if suffix == ".tif":
        with tifffile.TiffFile(again) as written:
            assert written.pages.first.tags.valueof("Orientation") is None
    else:
        with Image.open(again) as written:
            assert ORIENTATION not in written.getexif()


@pytest.mark.parametrize("orientation", UNDO)
@pytest.mark.parametrize("mode", ["P", "CMYK"])
def test_other_colour_spaces(tmp_path, mode, orientation):
    image = Image.fromarray(pixels(3, 8)).convert(mode)
    image.save(tmp_path / "a.tif", exif=exif(orientation))
    assert np.array_equal(
        read(tmp_path / "a.tif").pixels, UNDO[orientation](np.asarray(image.convert("RGB")))
    )


def test_xmp_is_turned_with_the_picture(tmp_path):
    """Pillow, as some viewers, takes the orientation from XMP where EXIF has none."""
    image = pixels(3, 8)
    xmp = b'<rdf:Description tiff:Orientation="6"><tiff:Orientation>6</tiff:Orientation></rdf:Description>'
    Image.fromarray(image).save(tmp_path / "a.webp", xmp=xmp, lossless=True)
    picture = read(tmp_path / "a.webp")
    assert np.array_equal(picture.pixels, UNDO[6](image))
    assert picture.metadata.xmp == xmp.replace(b"6", b"1")
