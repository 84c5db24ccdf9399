"""EXIF, XMP, IPTC and colour profiles: read what is sound, keep what stays true of a larger picture.

What is damaged shall not cost the picture: it is left out, and said in a list of words, `lost`.
"""

import io
import re
from collections.abc import Callable
from typing import Any

from PIL import ExifTags, Image, ImageCms

from fsrcnn.pictures.compression import jpeg_quality
from fsrcnn.pictures.picture import Chunk, Metadata

Base, IFD = ExifTags.Base, ExifTags.IFD
# Where and how a TIFF stores its samples, its other blocks, its place on the earth, and DNG's camera data.
STRUCTURE = {
    *range(254, 267), 273, 274, *range(277, 282), 284, *range(288, 294), 297, 301,
    *range(317, 348), *range(512, 533), 700, 33550, 33723, 33922, 34264, 34377, 34675, 34735,
    34736, 34737, *range(50706, 51200),
} - {Base.ImageDescription}  # fmt: skip
# What tifffile, ImageJ and OME write as the description is the array's shape, which changes.
SHAPE = re.compile(r'\{"shape"|ImageJ=|.{0,200}<OME', re.DOTALL)
SIDES = (Base.ExifImageWidth, Base.ExifImageHeight)
ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)[2-8]")
INCH_OF_UNIT = {2: 1.0, 3: 2.54}  # of EXIF and TIFF; 3 is centimetres
IPTC = 1028  # of Photoshop's resources
SRGB_CICP = bytes([1, 13, 0, 1])
SRGB_PRIMARIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


class _Text(str):
    """What Pillow read as Latin-1, and would write as ASCII: EXIF holds UTF-8 in practice."""

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        """The bytes that were read."""
        return super().encode("latin-1", "replace")


def guarded(name: str, read: Callable[[], Any], lost: list[str]) -> Any:  # noqa: ANN401 - whatever `read` returns
    """The value of `read`, or None where it is damaged."""
    try:
        return read()
    except Exception as error:  # parsers meet damaged data with every exception there is
        lost.append(f"damaged {name} left out ({' '.join(str(error).split()) or type(error).__name__})")
        return None


def of_pillow(image: Image.Image, lost: list[str]) -> Metadata:
    """What Pillow knows of an opened file, its colour profile as it is."""
    info = image.info
    if "icc_profile" in info and info["icc_profile"] is None:  # a JPEG that lacks a part of it
        lost.append("damaged colour profile left out (a part is missing)")
    photoshop = info.get("photoshop")
    xmp = info.get("xmp")
    return Metadata(
        icc=info.get("icc_profile"),
        dpi=guarded("resolution", lambda: _dpi_of_pillow(image), lost),
        exif=guarded("EXIF", lambda: cleaned(image.getexif()), lost),
        xmp=turned(xmp.encode() if isinstance(xmp, str) else xmp),
        iptc=photoshop.get(IPTC) if isinstance(photoshop, dict) else None,
        comment=info.get("comment") if image.format in ("JPEG", "MPO") else None,
        jpeg_quality=jpeg_quality(getattr(image, "quantization", None)),
    )


def _dpi_of_pillow(image: Image.Image) -> tuple[float, float] | None:
    if "dpi" in image.info:
        return dpi(*image.info["dpi"])
    exif = image.getexif()  # where a WebP has it
    unit = INCH_OF_UNIT.get(exif.get(Base.ResolutionUnit, 0))
    x, y = exif.get(Base.XResolution), exif.get(Base.YResolution)
    return dpi(x * unit, y * unit) if unit and x and y else None


def dpi(x: float, y: float) -> tuple[float, float] | None:
    """The resolution as floats, or None where it says nothing."""
    x, y = float(x), float(y)
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def turned(xmp: bytes | None) -> bytes | None:
    """XMP that calls the picture upright, as it now is."""
    return ORIENTATION.sub(rb"\g<1>1", xmp) if xmp else None


def cleaned(exif: Image.Exif) -> bytes | None:
    """EXIF as bytes without orientation, thumbnail and what only a TIFF's own samples need."""
    kept = Image.Exif()
    for tag, value in exif.items():
        shape = tag == Base.ImageDescription and SHAPE.match(str(value))
        if tag not in STRUCTURE and tag not in (IFD.Exif, IFD.GPSInfo, IFD.Interop) and not shape:
            kept[tag] = _unchanged(value)
    for block in (IFD.Exif, IFD.GPSInfo):
        values = {tag: _unchanged(value) for tag, value in exif.get_ifd(block).items()}
        if IFD.Interop in values:
            values[IFD.Interop] = dict(exif.get_ifd(IFD.Interop))
        if values:
            kept[block] = values
    return kept.tobytes() if len(kept) else None


def parsed(exif: bytes | None, width: int, height: int) -> Image.Exif:
    """EXIF whose sides, if it has them, are those of the new picture."""
    result = Image.Exif()
    if exif:
        result.load(exif)
    result.update({tag: _unchanged(value) for tag, value in result.items()})
    camera = result.get_ifd(IFD.Exif)
    blocks = [camera, result.get_ifd(IFD.GPSInfo)]
    if IFD.Interop in camera:
        blocks.append(result.get_ifd(IFD.Interop))
    for values in blocks:
        values.update({tag: _unchanged(value) for tag, value in values.items()})
    for tag, side in zip(SIDES, (width, height), strict=True):
        if tag in camera:
            camera[tag] = side
    return result


def _unchanged(value: Any) -> Any:  # noqa: ANN401 - whatever type the tag has
    return _Text(value) if isinstance(value, str) else value


def sound_profile(icc: bytes | None, grey: bool, lost: list[str]) -> bytes | None:
    """The profile, or None if it is damaged or describes other samples."""
    if not icc:
        return None
    try:
        space = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip()
    except Exception as error:  # Pillow says OSError, or whatever a damaged tag leads to
        lost.append(f"damaged colour profile left out ({error})")
        return None
    if space == "RGB" or (space == "GRAY" and grey):
        return icc
    lost.append(f"colour profile left out, as it is one for {space}")
    return None


def to_rgb(image: Image.Image, icc: bytes | None, lost: list[str]) -> Image.Image:
    """CMYK as RGB: sRGB by its profile, or by Pillow's formula if there is none that works."""
    if icc:
        try:
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, io.BytesIO(icc), srgb, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError) as error:
            lost.append(f"damaged colour profile left out ({error})")
    return image.convert("RGB")


def is_srgb(colour: tuple[Chunk, ...]) -> bool:
    """Whether a PNG's own description is that of a file without any, so that it may be left out."""
    chunks = dict(colour)
    if b"cICP" in chunks:
        return chunks[b"cICP"] == SRGB_CICP
    if b"sRGB" in chunks:
        return True
    numbers = {
        kind: [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]
        for kind, data in colour
    }
    gamma, primaries = numbers.get(b"gAMA", [45455]), numbers.get(b"cHRM", SRGB_PRIMARIES)
    near = all(abs(a - b) < 500 for a, b in zip(primaries, SRGB_PRIMARIES, strict=False))
    return abs(gamma[0] - 45455) < 1000 and near
