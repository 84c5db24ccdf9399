"""PNG, chunk by chunk: a damaged chunk that the picture can do without does not cost the picture.

Pillow decodes them. Of 16-bit colour it keeps one byte of two, so that it decodes those twice.
"""

import io
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from fsrcnn.pictures import idat, metadata, pillow
from fsrcnn.pictures.picture import Chunk, Metadata, Picture, check_frames, check_size, upright

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = (
    0,
    2,
    3,
    4,
    6,
)  # colour types; the first three take a transparent value
COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
XMP = b"XML:com.adobe.xmp"
# Old writers hide EXIF and XMP in texts; Pillow finds it there.
HIDDEN = (XMP, b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type xmp")
LARGEST_PROFILE = 2**24  # bytes
COLOUR_TYPES = {1: GREY, 2: GREY_ALPHA, 3: RGB, 4: RGB_ALPHA}  # by channels


def read(content: bytes, max_megapixels: float | None, lost: list[str]) -> Picture:
    """The picture in the bytes of a PNG file; what is damaged of the rest is added to `lost`.

    Raises `InputError` for animations and large pictures, and anything else for damaged data.
    """
    chunks = list(_chunks(content, lost))
    header = next((data for kind, data in chunks if kind == b"IHDR"), b"")
    if len(header) != 13:
        raise ValueError("the header is damaged")
    check_size(int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big"), max_megapixels)
    depth, kind_of_colour = header[8], header[9]
    found = dict(chunks)
    check_frames(int.from_bytes(found.get(b"acTL", b"")[:4], "big"))
    core = [(kind, data) for kind, data in chunks if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND")]
    if kind_of_colour == PALETTE and b"tRNS" in found:
        core.insert(-1 - sum(kind == b"IDAT" for kind, _ in core), (b"tRNS", found[b"tRNS"]))
    if depth == 16:
        pixels = _sixteen_bits(core, kind_of_colour)
    else:
        with Image.open(io.BytesIO(_file(core)), formats=["PNG"]) as image:
            pixels = pillow.of_frame(image, lost).pixels
    if kind_of_colour in (GREY, RGB) and b"tRNS" in found:
        pixels = _with_alpha(pixels, found[b"tRNS"], depth)
    kept, orientation = _metadata(chunks, kind_of_colour in (GREY, GREY_ALPHA), lost)
    return Picture(upright(pixels, orientation), kept)


def write(pixels: np.ndarray, kept: Metadata) -> Iterator[bytes]:
    """The bytes of a PNG file, in parts."""
    height, width = pixels.shape[:2]
    kind = COLOUR_TYPES[1 if pixels.ndim == 2 else pixels.shape[2]]
    sides = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    yield SIGNATURE
    yield _framed(b"IHDR", sides + bytes([8 * pixels.itemsize, kind, 0, 0, 0]))
    yield from (_framed(*chunk) for chunk in _described(kept, width, height))
    yield from (_framed(b"IDAT", part) for part in idat.compressed(pixels))
    yield _framed(b"IEND", b"")


def _described(kept: Metadata, width: int, height: int) -> Iterator[Chunk]:
    yield from kept.colour
    if kept.icc:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(kept.icc)
    if kept.dpi:
        across, down = (round(value / 0.0254).to_bytes(4, "big") for value in kept.dpi)
        yield b"pHYs", across + down + b"\1"  # pixels a metre
    if kept.exif:
        yield b"eXIf", metadata.parsed(kept.exif, width, height).tobytes().removeprefix(b"Exif\0\0")
    if kept.xmp:
        yield b"iTXt", XMP + bytes(5) + kept.xmp
    yield from kept.texts


def _chunks(content: bytes, lost: list[str]) -> Iterator[Chunk]:
    """Every chunk up to the end or the first that is cut off; a damaged one that is optional is left out."""
    at = len(SIGNATURE)
    while at + 12 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        data, end = content[at + 8 : at + 8 + length], at + 12 + length
        if end > len(content):
            raise ValueError("the file is cut short")
        if zlib.crc32(kind + data) == int.from_bytes(content[end - 4 : end], "big"):
            yield kind, data
        elif kind[:1].isupper() or kind == b"tRNS":
            raise ValueError(f"the chunk {kind.decode('ascii', 'replace')} is damaged")
        else:
            lost.append(f"damaged chunk {kind.decode('ascii', 'replace')} left out")
        if kind == b"IEND":
            return
        at = end
    raise ValueError("the file is cut short")


def _framed(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def _file(chunks: list[Chunk]) -> bytes:
    return SIGNATURE + b"".join(_framed(*chunk) for chunk in chunks)


def _sixteen_bits(core: list[Chunk], kind_of_colour: int) -> np.ndarray:
    """The samples of a file of 16 bits: (h, w) or (h, w, 2..4) uint16."""
    if kind_of_colour == GREY:
        return _decoded(core, None).astype(np.uint16)
    if kind_of_colour == GREY_ALPHA:  # the four bytes of a pixel, as if they were RGBA of 8 bits
        (kind, header), *rest = core
        alike = header[:8] + b"\x08\x06" + header[10:]
        return _decoded([(kind, alike), *rest], None).view(">u2").astype(np.uint16)
    mode = "RGB" if kind_of_colour == RGB else "RGBA"
    high, low = (_decoded(core, f"{mode};16{order}") for order in "BL")  # each order keeps its first byte
    return high.astype(np.uint16) << 8 | low


def _decoded(core: list[Chunk], raw_mode: str | None) -> np.ndarray:
    """What Pillow makes of a file; `raw_mode` says how its pixels are laid out, if not as Pillow thinks."""
    with Image.open(io.BytesIO(_file(core)), formats=["PNG"]) as image:
        if raw_mode:
            image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
        return np.asarray(image)


def _with_alpha(pixels: np.ndarray, value: bytes, depth: int) -> np.ndarray:
    """Add alpha, 0 where a pixel has the transparent value, which is given in the file's own depth."""
    channels = pixels[..., None] if pixels.ndim == 2 else pixels
    numbers = np.frombuffer(value[: 2 * channels.shape[2]], ">u2").astype(np.uint32)
    if len(numbers) != channels.shape[2]:
        raise ValueError("the chunk tRNS is damaged")
    peak = np.iinfo(pixels.dtype).max
    numbers = numbers * (peak // (2**depth - 1))
    seen = (channels != numbers).any(-1, keepdims=True)
    return np.concatenate((channels, np.where(seen, peak, 0).astype(pixels.dtype)), axis=-1)


def _metadata(chunks: list[Chunk], grey: bool, lost: list[str]) -> tuple[Metadata, int | None]:
    """What the optional chunks say, and the orientation."""
    first = dict(reversed(chunks))
    hidden = [chunk for chunk in chunks if chunk[0] in TEXTS and chunk[1].split(b"\0")[0] in HIDDEN]
    read = [(kind, first[kind]) for kind in (b"eXIf", b"pHYs") if kind in first] + hidden
    small = [
        (b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0"),
        *read,
        (b"IDAT", zlib.compress(b"\0\0")),
        (b"IEND", b""),
    ]
    image = metadata.guarded(
        "EXIF or XMP", lambda: Image.open(io.BytesIO(_file(small)), formats=["PNG"]), lost
    )
    kept, orientation = Metadata(), None
    if image:
        with image:
            orientation = metadata.guarded("EXIF", lambda: image.getexif().get(0x0112), [])
            kept = metadata.of_pillow(image, lost)
    icc = None
    if b"iCCP" in first:
        icc = metadata.guarded("colour profile", lambda: _profile(first[b"iCCP"]), lost)
    texts = tuple(chunk for chunk in chunks if chunk[0] in TEXTS and chunk not in hidden)
    colour = tuple((kind, first[kind]) for kind in COLOUR if kind in first)
    kept = kept._replace(icc=metadata.sound_profile(icc, grey, lost), texts=texts, colour=colour)
    return kept, orientation


def _profile(data: bytes) -> bytes:
    packed = data[data.index(b"\0") + 2 :]
    unpacking = zlib.decompressobj()
    icc = unpacking.decompress(packed, LARGEST_PROFILE)
    if not unpacking.eof:
        raise ValueError("incomplete, or too large")
    return icc
