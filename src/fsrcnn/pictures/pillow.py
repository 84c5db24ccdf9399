"""Pillow images as pictures, and back."""

import logging

import numpy as np
from PIL import ExifTags, Image

from fsrcnn.errors import InputError
from fsrcnn.pictures import metadata
from fsrcnn.pictures.compression import is_lossless_webp
from fsrcnn.pictures.picture import Metadata, Picture, check_frames, upright

LOSSY = ("JPEG", "MPO", "WEBP")
JPEG_IN_TIFF = ("jpeg", "tiff_jpeg")

log = logging.getLogger(__name__)


def from_pillow(image: Image.Image) -> Picture:
    """The upright pixels of a Pillow image; palettes, CMYK and other colour spaces become RGB.

    Raises `InputError` when it is animated, holds 32-bit values or 16-bit grey with transparency.
    """
    check_frames(frames(image))
    lost: list[str] = []
    name = getattr(image, "filename", "") or "picture"
    picture = of_frame(image, lost)
    for words in lost:
        log.warning("%s: %s", name, words)
    return picture


def frames(image: Image.Image) -> int:
    """The frames of an opened file, or its pages."""
    # A phone's JPEG may hold a second, smaller picture for displays: that is no animation.
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def of_frame(image: Image.Image, lost: list[str]) -> Picture:
    """The same for the one frame that an opened file is at; what is damaged is added to `lost`."""
    if image.mode in ("I", "F"):
        raise InputError("32-bit values; convert to 16 bits")
    if image.format == "TIFF":
        # A file with a name may be mapped into memory, wrongly: by the sides of the turned picture.
        image.filename = ""  # type: ignore[attr-defined]
    file = getattr(image, "fp", None)  # which loading closes
    lossless = image.format == "WEBP" and file is not None and is_lossless_webp(file)
    image.load()  # by which Pillow turns a TIFF, and takes its orientation away
    orientation = metadata.guarded("EXIF", lambda: image.getexif().get(ExifTags.Base.Orientation), [])
    kept = metadata.of_pillow(image, lost)
    lossy = (image.format in LOSSY and not lossless) or image.info.get("compression") in JPEG_IN_TIFF
    kept = kept._replace(lossless=lossless, lossy=lossy)
    if image.mode.startswith("I;16"):
        if "transparency" in image.info:
            raise InputError("16-bit grey with transparency, which Pillow has not; give an array (h, w, 2)")
        pixels = np.asarray(image).astype(np.uint16)
    else:
        if image.mode == "CMYK":
            image, kept = metadata.to_rgb(image, kept.icc, lost), kept._replace(icc=None)
        pixels = np.asarray(image.convert(_mode(image)))
    kept = kept._replace(icc=metadata.sound_profile(kept.icc, _is_grey(pixels), lost))
    return Picture(upright(pixels, orientation), kept)


def to_pillow(pixels: np.ndarray, kept: Metadata) -> Image.Image:
    """A Pillow image with its colour profile, of all pixels but 16-bit colour, which Pillow does not have."""
    image = Image.fromarray(pixels)
    if kept.icc:
        image.info["icc_profile"] = kept.icc
    return image


def _is_grey(pixels: np.ndarray) -> bool:
    return pixels.ndim == 2 or pixels.shape[2] == 2


def _mode(image: Image.Image) -> str:
    """The mode without loss among L, LA, RGB, RGBA."""
    if image.mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image.mode
    grey = image.mode in ("1", "L", "LA", "La")
    alpha = image.has_transparency_data
    return ("LA" if alpha else "L") if grey else ("RGBA" if alpha else "RGB")
