"""TIFF: `segments` reads grey and RGB of 2 to 16 bits, Pillow the other colour spaces, fax and JPEG."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from fsrcnn.errors import InputError
from fsrcnn.pictures import metadata, pillow, segments
from fsrcnn.pictures.picture import Metadata, Picture, check_frames, check_size, upright

WHITE_IS_ZERO, GREY, RGB = 0, 1, 2
COLOUR_SPACES = {3: "palette", 5: "CMYK", 6: "YCbCr"}  # that Pillow turns into RGB, of 8 bits
JPEG = {6, 7}  # compressions that imply a colour conversion of their own
# None, LZW, Deflate (two numbers), PackBits, LZMA, Zstandard: what only packs.
PACKED = {1, 5, 8, 32946, 32773, 34925, 50000}
ASSOCIATED, UNASSOCIATED = 1, 2  # alpha: colours multiplied by it, or not
REDUCED = 1  # of NewSubfileType
SAMPLES = 16  # a pixel, at most
SAMPLE_FORMATS = {2: "signed samples; add their offset to make them unsigned", 3: "floating-point samples"}
INCH = 2  # of ResolutionUnit
XMP, IPTC, ICC = 700, 33723, 34675
RESOLUTION = (282, 283, 296)
BLOCKS = {int(ExifTags.IFD.Exif): "ExifTag", int(ExifTags.IFD.GPSInfo): "GPSTag"}
CLASSIC = 2**32 - 2**25  # bytes that a file with 32-bit offsets holds

logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # what is wrong with a file is said here


def read(path: Path, max_megapixels: float | None, lost: list[str]) -> Picture:
    """The one full-size page of a TIFF file; pages that are its reduced copies are passed over.

    What is damaged of the rest, and what has no meaning, is added to `lost`.
    Raises `InputError` for several pages, large pictures and samples that have no one meaning as a picture,
    and anything else for damaged data.
    """
    with tifffile.TiffFile(path) as file:
        pages: list[Any] = [file.pages[number] for number in range(len(file.pages))]
        full = [number for number, page in enumerate(pages) if not page.subfiletype & REDUCED] or [0]
        check_frames(len(full))
        page = pages[full[0]]
        check_size(page.imagewidth, page.imagelength, max_megapixels)
        if _is_pillows(page):
            with Image.open(path, formats=["TIFF"]) as image:
                image.seek(full[0])
                picture = pillow.of_frame(image, lost)
            kept = _metadata(path, page, picture.metadata.icc, lost)
            return picture._replace(metadata=kept._replace(lossy=picture.metadata.lossy))
        pixels = _pixels(page, path.stat().st_size, lost)
        icc = metadata.sound_profile(_bytes(page, ICC), pixels.shape[2] <= 2, lost)
        orientation = page.tags.valueof("Orientation")
        pixels = upright(pixels[..., 0] if pixels.shape[2] == 1 else pixels, orientation)
        return Picture(pixels, _metadata(path, page, icc, lost))


def _is_pillows(page: Any) -> bool:  # noqa: ANN401 - tifffile has no types
    """Whether Pillow decodes it; raises `InputError` for what neither does without loss."""
    special = page.photometric not in (WHITE_IS_ZERO, GREY, RGB)
    bits = _bits(page)
    if special and page.photometric not in COLOUR_SPACES:
        name = getattr(page.photometric, "name", page.photometric)
        raise InputError(f"colours of the kind {name}; convert to RGB")
    if special and bits > 8:
        raise InputError(f"{bits}-bit {COLOUR_SPACES[int(page.photometric)]}; convert to 16-bit RGB")
    if special or bits == 1 or page.compression in JPEG:
        return True
    if page.compression not in PACKED:
        name = getattr(page.compression, "name", page.compression)
        raise InputError(f"compression of the kind {name}; convert to LZW or Deflate")
    return False


def _bits(page: Any) -> int:  # noqa: ANN401
    tag = page.tags.get("BitsPerSample")
    bits = set(np.atleast_1d(tag.value if tag else 1).tolist())
    if len(bits) > 1:
        raise InputError(f"samples of different depths, {sorted(bits)} bits; convert to 8 or 16 bits")
    return int(bits.pop())


def _pixels(page: Any, file_size: int, lost: list[str]) -> np.ndarray:  # noqa: ANN401
    """(h, w, 1..4) uint8 or uint16: black is 0, white the largest value, alpha unassociated."""
    formats = set(np.atleast_1d(page.sampleformat).tolist())
    bits, channels = _bits(page), 3 if page.photometric == RGB else 1
    if formats != {1}:
        number = next(iter(formats - {1}))
        raise InputError(SAMPLE_FORMATS.get(number, f"samples of the format {number}"))
    if not 2 <= bits <= 16:
        raise InputError(f"{bits}-bit values; convert to 16 bits")
    if page.samplesperpixel < channels or page.samplesperpixel > SAMPLES or page.imagedepth > 1:
        raise InputError(f"{page.samplesperpixel} samples a pixel, {page.imagedepth} deep; convert to RGB")
    if max(a + n for a, n in zip(page.dataoffsets, page.databytecounts, strict=True)) > file_size:
        raise ValueError("the file is cut short")
    samples = _full_range(segments.samples(page), bits)
    if page.photometric == WHITE_IS_ZERO:
        samples = np.concatenate((~samples[..., :1], samples[..., 1:]), axis=-1)
    return _with_known_alpha(samples, channels, page.extrasamples, lost)


def _full_range(samples: np.ndarray, bits: int) -> np.ndarray:
    """Values 0..2^bits-1 as uint8 of 0..255, or uint16 of 0..65535 where there are more than 8 bits."""
    kind = np.uint8 if bits <= 8 else np.uint16
    if bits in (8, 16):
        return samples.astype(kind, copy=False)
    table = np.round(np.arange(2**bits) * (np.iinfo(kind).max / (2**bits - 1))).astype(kind)
    return table[samples]


def _with_known_alpha(
    samples: np.ndarray, channels: int, extra: tuple[int, ...], lost: list[str]
) -> np.ndarray:
    """Colours and the alpha among the extra samples, unassociated; samples without meaning are left out."""
    kinds = [int(kind) for kind in extra]
    known = [number for number, kind in enumerate(kinds) if kind in (ASSOCIATED, UNASSOCIATED)][:1]
    unknown = samples.shape[2] - channels - len(known)
    if unknown:
        lost.append(f"{unknown} extra samples without a meaning left out")
    colours = samples[..., :channels]
    if not known:
        return colours
    alpha = samples[..., channels + known[0], None]
    if kinds[known[0]] == ASSOCIATED:
        peak = np.iinfo(samples.dtype).max
        divided = colours.astype(np.float32) * (peak / np.maximum(alpha, 1).astype(np.float32))
        colours = divided.round().clip(0, peak).astype(samples.dtype)
    return np.concatenate((colours, alpha), axis=-1)


def _metadata(path: Path, page: Any, icc: bytes | None, lost: list[str]) -> Metadata:  # noqa: ANN401
    return Metadata(
        icc=icc,
        dpi=metadata.guarded("resolution", lambda: _resolution(page), lost),
        exif=metadata.guarded("EXIF", lambda: _exif(path), lost),
        xmp=metadata.guarded("XMP", lambda: metadata.turned(_bytes(page, XMP)), lost),
        iptc=metadata.guarded("IPTC", lambda: _bytes(page, IPTC), lost),
    )


def _bytes(page: Any, code: int) -> bytes | None:  # noqa: ANN401
    tag = page.tags.get(code)
    if not tag:
        return None
    value = tag.value
    if isinstance(value, str):
        return value.encode()
    # IPTC was written as a list of 32-bit numbers by Photoshop, in the file's byte order.
    return value if isinstance(value, bytes) else np.asarray(value, f"{tag.parent.byteorder}u4").tobytes()


def _resolution(page: Any) -> tuple[float, float] | None:  # noqa: ANN401
    tags = [page.tags.get(name) for name in ("XResolution", "YResolution", "ResolutionUnit")]
    unit = int(tags[2].value) if tags[2] else INCH
    if not (tags[0] and tags[1] and unit in metadata.INCH_OF_UNIT):
        return None
    inch = metadata.INCH_OF_UNIT[unit]
    x, y = (numerator / denominator for numerator, denominator in (tags[0].value, tags[1].value))
    return metadata.dpi(x * inch, y * inch)


def _exif(path: Path) -> bytes | None:
    exif = Image.Exif()
    with path.open("rb") as file:
        exif.load_from_fp(file)
        for tag in RESOLUTION:  # stands in `Metadata.dpi`, if it means anything
            exif.pop(tag, None)
        return metadata.cleaned(exif)


def write(file: BinaryIO, pixels: np.ndarray, kept: Metadata) -> None:
    """Write a TIFF file, compressed without loss, to a file that is open for reading and writing."""
    exif = metadata.parsed(kept.exif, *pixels.shape[1::-1])
    blocks = {name: exif.get_ifd(code) for code, name in BLOCKS.items() if exif.get_ifd(code)}
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    large = pixels.nbytes > CLASSIC
    placeholder = 16 if large else 8  # where the first directory is: a value that tifffile reads
    tifffile.imwrite(
        file,
        pixels,
        photometric="rgb" if channels >= 3 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        iccprofile=kept.icc,
        resolution=kept.dpi,
        resolutionunit=INCH if kept.dpi else None,
        compression="zlib",
        predictor=True,
        metadata=None,
        software=False,
        bigtiff=large,
        byteorder="<",
        extratags=[*_tags(exif, kept), *((name, "I", 1, placeholder, True) for name in blocks)],
    )
    for name, values in blocks.items():
        offset = file.seek(0, 2)
        offset += file.write(bytes(offset % 2))
        file.write(_directory(values, offset))
        file.seek(0)
        with tifffile.TiffFile(file) as made:
            made.pages.first.tags[name].overwrite(offset)


def _tags(exif: Image.Exif, kept: Metadata) -> Iterator[tuple[int, str, int, Any, bool]]:
    """The tags of EXIF's first directory, XMP and IPTC as tifffile takes them."""
    for tag, value in exif.items():
        if tag in RESOLUTION or tag in BLOCKS:
            continue
        if isinstance(value, str):
            yield tag, "s", 0, value.encode(), True
        elif isinstance(value, bytes):
            yield tag, "B", len(value), value, True
        elif isinstance(value, int):
            yield tag, "I", 1, value, True
        elif isinstance(value, IFDRational):
            yield tag, "2I", 1, (value.numerator, value.denominator), True
    for tag, block in ((XMP, kept.xmp), (IPTC, kept.iptc)):
        if block:
            yield tag, "B", len(block), block, True


def _directory(values: dict[int, Any], offset: int) -> bytes:
    """A directory of EXIF as bytes that will lie at the offset."""
    directory = ImageFileDirectory_v2(b"II\x2a\0\0\0\0\0", group=ExifTags.IFD.Exif)
    for tag, value in values.items():
        directory[tag] = value
    return directory.tobytes(offset)
