"""Picture files as arrays and back: PNG, JPEG, WebP, BMP, TIFF, in 8 and 16 bits.

Pillow reads and writes everything that it can without loss. It has no 16-bit colour, and silently drops the
lower byte of it: those files go through OpenCV (reading, and PNG) and tifffile (TIFF, with its profile).
"""

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageCms

from fsrcnn.errors import InputError
from fsrcnn.files import atomic

SIXTEEN_BIT = {".png", ".tif", ".tiff"}
ALPHA = {*SIXTEEN_BIT, ".webp"}
# Level 3 writes a PNG in a quarter of the usual level's time, a tenth larger.
SAVE: dict[str, dict[str, Any]] = {
    ".png": {"compress_level": 3},
    ".jpg": {"quality": 95, "subsampling": "4:4:4"},
    ".jpeg": {"quality": 95, "subsampling": "4:4:4"},
    ".webp": {"quality": 95},
    ".tif": {"compression": "tiff_adobe_deflate"},
    ".tiff": {"compression": "tiff_adobe_deflate"},
}


class Picture(NamedTuple):
    """`pixels`: (h, w) or (h, w, c) as `Upscaler` takes it, uint8 or uint16; `icc`: its colour profile."""

    pixels: np.ndarray
    icc: bytes | None


def read(path: Path, max_megapixels: float) -> Picture:
    """Decode a file; its EXIF orientation is applied.

    Raises `InputError` when it is unreadable, damaged, animated or larger than `max_megapixels`.
    """
    if not path.is_file():  # to open a pipe would wait for ever
        raise InputError(f"{path}: not a file")
    try:
        with Image.open(path) as image:
            if image.width * image.height > max_megapixels * 1e6:
                size = f"{image.width}x{image.height}"
                raise InputError(f"{size} is above the limit of {max_megapixels:g} megapixels")
            deep = any(";16" in str(tile.args) for tile in image.tile) and not image.mode.startswith("I")
            picture = from_pillow(image)
            return picture._replace(pixels=_sixteen_bit(path, image)) if deep else picture
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # decoders meet damaged files with every exception there is
        raise InputError(f"{path}: not a readable picture ({_reason(error)})") from None


def write(path: Path, picture: Picture) -> None:
    """Encode into the format of the suffix, with the ICC profile; the file appears whole or not at all.

    Raises `InputError` when the format can't hold the picture or the file can't be written.
    """
    check_format(path, picture)
    try:
        with atomic(path) as temporary:
            if picture.pixels.dtype == np.uint16 and picture.pixels.ndim == 3:
                _write_sixteen_bit(temporary, picture)
            else:
                options = SAVE.get(path.suffix.lower(), {})
                to_pillow(picture).save(temporary, icc_profile=picture.icc, **options)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be written ({_reason(error)})") from None


def check_format(path: Path, picture: Picture) -> None:
    """Raise `InputError` if a file of that suffix would lose the picture's alpha or 16 bits."""
    suffix = path.suffix.lower()
    if picture.pixels.dtype == np.uint16 and suffix not in SIXTEEN_BIT:
        raise InputError(f"{path}: {suffix} has no 16 bits; choose .png or .tif")
    if picture.pixels.ndim == 3 and picture.pixels.shape[2] in (2, 4) and suffix not in ALPHA:
        raise InputError(f"{path}: {suffix} has no alpha; choose .png, .webp or .tif")


def from_pillow(image: Image.Image) -> Picture:
    """The upright pixels of a Pillow image; palettes, CMYK and other colour spaces become RGB.

    Raises `InputError` when it is animated or holds 32-bit values.
    """
    # A phone's JPEG may hold a second, smaller picture for displays: that is no animation.
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        raise InputError(f"{frames} frames or pages; save one of them as a picture, or all as a clip")
    if image.mode in ("I", "F"):
        raise InputError("32-bit values; convert to 16 bits")
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    icc = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        pixels = np.asarray(image).astype(np.uint16)
    else:
        if image.mode == "CMYK":
            image, icc = _rgb_of_cmyk(image, icc), None
        pixels = np.asarray(image.convert(_mode(image)))
    return Picture(_upright(pixels, orientation), icc)


def to_pillow(picture: Picture) -> Image.Image:
    """The inverse of `from_pillow`, for all but 16-bit colour, which Pillow does not have."""
    image = Image.fromarray(picture.pixels)
    if picture.icc:
        image.info["icc_profile"] = picture.icc
    return image


def _mode(image: Image.Image) -> str:
    """The mode without loss among L, LA, RGB, RGBA."""
    if image.mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image.mode
    grey = image.mode in ("1", "L", "LA", "La")
    alpha = image.has_transparency_data
    return ("LA" if alpha else "L") if grey else ("RGBA" if alpha else "RGB")


def _rgb_of_cmyk(image: Image.Image, icc: bytes | None) -> Image.Image:
    try:
        srgb = ImageCms.createProfile("sRGB")
        converted = icc and ImageCms.profileToProfile(image, io.BytesIO(icc), srgb, outputMode="RGB")
    except ImageCms.PyCMSError:  # a damaged profile, or one of another colour space
        converted = None
    return converted or image.convert("RGB")


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo the EXIF orientation, 1..8; anything else is taken as 1."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _sixteen_bit(path: Path, image: Image.Image) -> np.ndarray:
    """The pixels of a file with 16-bit colour, which Pillow has already found whole."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise InputError("16-bit colour of an unusual kind; convert to 16-bit RGB")
    to_rgb = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return _upright(cv2.cvtColor(pixels, to_rgb), orientation)


def _write_sixteen_bit(path: Path, picture: Picture) -> None:
    if path.suffix.lower() == ".png":
        import cv2

        to_bgr = cv2.COLOR_RGBA2BGRA if picture.pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
        profile = (
            ([cv2.IMAGE_METADATA_ICCP], [np.frombuffer(picture.icc, np.uint8)]) if picture.icc else ([], [])
        )
        done, content = cv2.imencodeWithMetadata(".png", cv2.cvtColor(picture.pixels, to_bgr), *profile)
        assert done
        path.write_bytes(content.tobytes())
    else:
        import tifffile

        extra = ["unassalpha"] if picture.pixels.shape[2] == 4 else None
        tifffile.imwrite(
            path,
            picture.pixels,
            photometric="rgb",
            extrasamples=extra,
            iccprofile=picture.icc,
            compression="zlib",
        )


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
