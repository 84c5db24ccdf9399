"""The formats of pictures: suffixes, largest sides, and what each can hold."""

from typing import NamedTuple

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}


class Format(NamedTuple):
    """Largest side and size of a file, and the fields of `Metadata` that it holds."""

    side: int  # pixels
    bytes: int  # of uncompressed pixels
    alpha: bool
    sixteen_bits: bool
    holds: frozenset[str]


UNLIMITED = 2**63
FORMATS = {
    "PNG": Format(
        2**31 - 1, UNLIMITED, True, True, frozenset({"icc", "colour", "dpi", "exif", "xmp", "texts"})
    ),
    # The side is libjpeg's limit; that of the format itself is 65,535.
    "JPEG": Format(
        65_500, UNLIMITED, False, False, frozenset({"icc", "dpi", "exif", "xmp", "iptc", "comment"})
    ),
    "WEBP": Format(16_383, UNLIMITED, True, False, frozenset({"icc", "dpi", "exif", "xmp"})),
    "BMP": Format(2**31 - 1, 2**32 - 2**10, False, False, frozenset({"dpi"})),
    "TIFF": Format(2**31 - 1, UNLIMITED, True, True, frozenset({"icc", "dpi", "exif", "xmp", "iptc"})),
}
NAMES = "PNG, JPEG, WebP, BMP or TIFF"
