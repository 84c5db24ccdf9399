"""Read a picture file: the decoders are those of the formats that we name, chosen by the file's contents."""

import io
import logging
from collections.abc import Callable
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from fsrcnn.errors import InputError
from fsrcnn.pictures import pillow, png
from fsrcnn.pictures.formats import NAMES
from fsrcnn.pictures.picture import Picture, check_frames, check_size

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PILLOW = ("JPEG", "WEBP", "BMP")

log = logging.getLogger(__name__)


def read(path: Path, max_megapixels: float | None = None) -> Picture:
    """Decode a file, upright, with what belongs to it. What of that is damaged is left out with a warning.

    Raises `InputError` when it is unreadable, damaged, animated or larger than `max_megapixels`.
    """
    if not path.is_file():  # to open a pipe would wait for ever
        raise InputError(f"{path}: not a file")
    return _guarded(str(path), lambda lost: _read(path, max_megapixels, lost))


def decode(content: bytes, max_megapixels: float | None = None) -> Picture:
    """Decode the bytes of a PNG, JPEG, WebP or BMP file as `read` does a file.

    Raises `InputError` as `read` does; `TooLargeError` before anything is decoded.
    """
    return _guarded("picture", lambda lost: _decode(content, max_megapixels, lost))


def _guarded(name: str, decoder: Callable[[list[str]], Picture]) -> Picture:
    """What a decoder returns; whatever it raises as an `InputError` about `name`."""
    lost: list[str] = []
    try:
        picture = decoder(lost)
    except InputError as error:
        raise type(error)(f"{name}: {error}") from None
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a readable picture (no {NAMES})") from None
    except MemoryError:
        raise InputError(f"{name}: not enough memory") from None
    except Exception as error:  # decoders meet damaged files with every exception there is
        raise InputError(f"{name}: not a readable picture ({reason(error)})") from None
    for words in lost:
        log.warning("%s: %s", name, words)
    return picture


def _read(path: Path, max_megapixels: float | None, lost: list[str]) -> Picture:
    with path.open("rb") as file:
        start = file.read(4)
    if start in TIFF:
        from fsrcnn.pictures import tiff  # tifffile takes a tenth of the time to start

        return tiff.read(path, max_megapixels, lost)
    return _decode(path.read_bytes(), max_megapixels, lost)


def _decode(content: bytes, max_megapixels: float | None, lost: list[str]) -> Picture:
    if content.startswith(png.SIGNATURE):
        return png.read(content, max_megapixels, lost)
    with Image.open(io.BytesIO(content), formats=PILLOW) as image:
        check_size(*image.size, max_megapixels)
        check_frames(pillow.frames(image))
        return pillow.of_frame(image, lost)


def reason(error: Exception) -> str:
    """What an exception says, in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
