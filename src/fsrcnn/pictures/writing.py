"""Write a picture file, in the format of its suffix."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from fsrcnn.errors import InputError
from fsrcnn.files import atomic
from fsrcnn.pictures import jpeg, metadata, png
from fsrcnn.pictures.formats import FORMATS, SUFFIXES
from fsrcnn.pictures.picture import Metadata, Picture
from fsrcnn.pictures.reading import reason

NAMES = {
    "exif": "EXIF",
    "xmp": "XMP",
    "iptc": "IPTC",
    "dpi": "resolution",
    "texts": "texts",
    "comment": "comment",
}

log = logging.getLogger(__name__)


def check(path: Path, picture: Picture, scale: int = 1) -> None:
    """Raise `InputError` if a file of that suffix can't hold the picture, `scale` times as high and wide.

    That is its alpha, its 16 bits, the description of its colours, or its size.
    """
    suffix = path.suffix.lower()
    form = FORMATS[SUFFIXES[suffix]]
    pixels, kept = picture
    height, width = (side * scale for side in pixels.shape[:2])
    if pixels.dtype == np.uint16 and not form.sixteen_bits:
        raise InputError(f"{path}: {suffix} has no 16 bits; choose .png or .tif")
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and not form.alpha:
        raise InputError(f"{path}: {suffix} has no alpha; choose .png, .webp or .tif")
    if max(width, height) > form.side:
        raise InputError(
            f"{path}: {width}x{height} pixels; {suffix} has at most {form.side} a side; choose .png or .tif"
        )
    if pixels.nbytes * scale**2 > form.bytes:
        raise InputError(f"{path}: {suffix} holds at most 4 GB; choose .png or .tif")
    if kept.icc and "icc" not in form.holds:
        raise InputError(f"{path}: {suffix} has no colour profile; choose .png, .jpg, .webp or .tif")
    described = kept.colour if not kept.icc or b"cICP" in dict(kept.colour) else ()
    if "colour" not in form.holds and not metadata.is_srgb(described):
        raise InputError(
            f"{path}: {suffix} can't hold the colours that gAMA, cHRM or cICP describe; choose .png"
        )


def write(path: Path, picture: Picture) -> None:
    """Encode into the format of the suffix; the file appears whole or not at all.

    What belongs to the picture and the format can't hold is left out with a warning.
    Raises `InputError` when the format can't hold the picture itself, or the file can't be written.
    """
    check(path, picture)
    form, kept = SUFFIXES[path.suffix.lower()], _held(path, picture.metadata)
    with _made(path) as file:
        _write(file, form, picture.pixels, kept)


def store(path: Path, content: bytes) -> None:
    """Write what `encode` gave; the file appears whole or not at all.

    Raises `InputError` when it can't be written.
    """
    with _made(path) as file:
        file.write(content)


@contextmanager
def _made(path: Path) -> Iterator[BinaryIO]:
    try:
        with atomic(path) as temporary, _Checked(io.FileIO(temporary, "r+")) as file:
            yield file
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be written ({reason(error)})") from None


def encode(name: Path, picture: Picture) -> bytes:
    """The bytes that `write` would put into a file of that name.

    Raises `InputError` when the format can't hold the picture.
    """
    check(name, picture)
    file = io.BytesIO()
    _write(file, SUFFIXES[name.suffix.lower()], picture.pixels, _held(name, picture.metadata))
    return file.getvalue()


def _write(file: BinaryIO, form: str, pixels: np.ndarray, kept: Metadata) -> None:
    if form == "PNG":
        file.writelines(png.write(pixels, kept))
    elif form == "JPEG":
        file.writelines(jpeg.write(pixels, kept))
    elif form == "TIFF":
        from fsrcnn.pictures import tiff  # tifffile takes a tenth of the time to start

        tiff.write(file, pixels, kept)
    else:
        Image.fromarray(pixels).save(file, form, **_options(form, pixels, kept))


class _Checked(io.BufferedRandom):
    """A file without a number: Pillow writes to the number by itself, and does not see a short write."""

    def fileno(self) -> int:
        """Refused."""
        raise io.UnsupportedOperation("fileno")


def _held(path: Path, kept: Metadata) -> Metadata:
    """What the format holds of it; the rest is named in a warning."""
    form = SUFFIXES[path.suffix.lower()]
    largest = jpeg.SEGMENT if form == "JPEG" else 2**31 - 1
    lost = {
        name
        for name in NAMES
        if (value := getattr(kept, name))
        and (name not in FORMATS[form].holds or (isinstance(value, bytes) and len(value) > largest))
    }
    if lost:
        log.warning(
            "%s: left out, as %s can't hold it: %s",
            path,
            path.suffix,
            ", ".join(NAMES[n] for n in sorted(lost)),
        )
    empty = Metadata()._asdict()
    return Metadata(**{**kept._asdict(), **{name: empty[name] for name in lost}})


def _options(form: str, pixels: np.ndarray, kept: Metadata) -> dict[str, Any]:
    """What Pillow takes for a WebP or BMP file."""
    if form == "BMP":
        return {"dpi": kept.dpi or (0, 0)}  # which says nothing; Pillow would say 96
    exif = metadata.parsed(kept.exif, *pixels.shape[1::-1])
    if kept.dpi:  # the format has no other place for it
        exif[0x011A], exif[0x011B], exif[0x0128] = *kept.dpi, 2
    options: dict[str, Any] = {"exif": exif.tobytes()} if len(exif) else {}
    options |= {"quality": jpeg.QUALITY, "lossless": kept.lossless, "xmp": kept.xmp or b""}
    return options | {"icc_profile": kept.icc}
