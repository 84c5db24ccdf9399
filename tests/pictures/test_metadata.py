"""What belongs to a picture: from every format to every format, and damaged."""

import io
import zlib

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from fsrcnn.errors import InputError
from fsrcnn.pictures.picture import Metadata, Picture
from fsrcnn.pictures.reading import read
from fsrcnn.pictures.writing import check, write

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
CMYK_SPACE = ICC[:16] + b"CMYK" + ICC[20:]
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>a beach</x:xmpmeta>"
IPTC = b"\x1c\x02\x19\x00\x05beach\x1c\x02x\x00\x07A beach"
IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
Base, IFD = ExifTags.Base, ExifTags.IFD


def exif():
    """EXIF as a camera writes it."""
    tags = Image.Exif()
    tags[Base.Make] = "Camera"
    tags[Base.Orientation] = 1
    tags[IFD.Exif] = {
        Base.DateTimeOriginal: "2026:11:25 10:00:00",
        Base.ExposureTime: IFDRational(1, 125),
        Base.ExifImageWidth: 30,
        Base.ExifImageHeight: 20,
        Base.LensModel: "Lens 35",
    }
    tags[IFD.GPSInfo] = {1: "N", 2: (IFDRational(47), IFDRational(22), IFDRational(3, 2))}
    return tags.tobytes()


def jpeg(path):
    IMAGE.save(path, exif=exif(), dpi=(300, 200), icc_profile=ICC, xmp=XMP, comment=b"seen", extra=app13())


def app13():
    body = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(IPTC).to_bytes(4, "big") + IPTC + bytes(len(IPTC) % 2)
    return b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body


def png(path):
    texts = PngInfo()
    texts.add_text("Title", "A beach")
    texts.add_itxt("Author", "Zoë", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    IMAGE.save(path, exif=exif(), dpi=(300, 200), icc_profile=ICC, pnginfo=texts)


def webp(path):
    tags = Image.Exif()
    tags.load(exif())
    tags[Base.XResolution], tags[Base.YResolution], tags[Base.ResolutionUnit] = 300, 200, 2
    IMAGE.save(path, exif=tags, icc_profile=ICC, xmp=XMP, lossless=True)


def tiff(path):
    tags = Image.Exif()
    tags.load(exif())
    tags[700], tags[33723] = XMP, IPTC
    IMAGE.save(path, exif=tags, dpi=(300, 200), icc_profile=ICC)


SOURCES = {".jpg": jpeg, ".png": png, ".webp": webp, ".tif": tiff}


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("target", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("source", SOURCES)
def test_from_every_format_to_every_format(tmp_path, source, target, deep, caplog):
    SOURCES[source](tmp_path / f"a{source}")
    picture = read(tmp_path / f"a{source}")
    large = picture.pixels.repeat(2, 0).repeat(2, 1)
    if deep:
        if target in (".jpg", ".webp"):
            pytest.skip("no 16 bits")
        large = large.astype(np.uint16) * 257
    path = tmp_path / f"b{target}"
    write(path, picture._replace(pixels=large))
    left_out = {
        (".jpg", ".png"): {"IPTC", "comment"}, (".jpg", ".webp"): {"IPTC", "comment"},
        (".jpg", ".tif"): {"comment"},
        (".png", ".jpg"): {"texts"}, (".png", ".webp"): {"texts"}, (".png", ".tif"): {"texts"},
        (".tif", ".png"): {"IPTC"}, (".tif", ".webp"): {"IPTC"},
    }.get((source, target), set())  # fmt: skip
    assert {name for line in caplog.messages for name in line.rpartition(": ")[2].split(", ")} == left_out

    with Image.open(path) as made:  # of 16-bit TIFFs, too, Pillow reads the tags
        made.load()
        tags = made.getexif()
        camera, place = dict(tags.get_ifd(IFD.Exif)), dict(tags.get_ifd(IFD.GPSInfo))
        assert (tags[Base.Make], Base.Orientation in tags) == ("Camera", False)
        assert camera[Base.DateTimeOriginal] == "2026:11:25 10:00:00"
        assert float(camera[Base.ExposureTime]) == 1 / 125
        assert camera[Base.LensModel] == "Lens 35"
        assert (camera[Base.ExifImageWidth], camera[Base.ExifImageHeight]) == (60, 40)
        assert (place[1], [float(x) for x in place[2]]) == ("N", [47, 22, 1.5])
        assert tags.get_ifd(IFD.IFD1) == {}
        assert made.info["icc_profile"] == ICC
    again = read(path).metadata
    assert again.dpi == pytest.approx((300, 200), abs=0.02)
    assert again.xmp == XMP
    if source in (".jpg", ".tif") and target in (".jpg", ".tif"):
        assert again.iptc == IPTC
    if source == target == ".png":
        with Image.open(path) as made:
            made.load()
            assert (made.text["Title"], made.text["Author"]) == ("A beach", "Zoë")
    if source == target == ".jpg":
        assert again.comment == b"seen"
    assert again.lossless == (source == target == ".webp")


def test_utf8_in_exif_stays(tmp_path):
    """Pillow reads it as Latin-1 and writes question marks."""
    tags = Image.Exif()
    tags[Base.Copyright] = "(c) Zooe"
    tags[IFD.Exif] = {Base.LensModel: "(c) Zooe"}
    stored = tags.tobytes().replace(b"(c) Zooe", "© Zoë!".encode())
    IMAGE.save(tmp_path / "a.jpg", exif=stored)
    for suffix in (".jpg", ".png", ".webp", ".tif"):
        write(tmp_path / f"b{suffix}", read(tmp_path / "a.jpg"))
        assert (tmp_path / f"b{suffix}").read_bytes().count("© Zoë!".encode()) == 2, suffix


def test_the_thumbnail_is_gone(tmp_path):
    thumbnail = io.BytesIO()
    IMAGE.resize((8, 8)).save(thumbnail, "JPEG")
    tags = Image.Exif()
    tags[Base.Make] = "Camera"
    # An IFD after the first one: Pillow has no function that writes it, so the bytes are put together here.
    first = tags.tobytes()[6:]
    count = (
        int.from_bytes(first[8:10], "big") if first[:2] == b"MM" else int.from_bytes(first[8:10], "little")
    )
    order = "big" if first[:2] == b"MM" else "little"
    link = 10 + 12 * count
    second = len(first)

    def entry(tag, kind, value):
        return b"".join(n.to_bytes(w, order) for n, w in ((tag, 2), (kind, 2), (1, 4), (value, 4)))

    data = thumbnail.getvalue()
    block = (2).to_bytes(2, order) + entry(513, 4, second + 30) + entry(514, 4, len(data)) + bytes(4) + data
    blob = first[:link] + second.to_bytes(4, order) + first[link + 4 :] + block
    IMAGE.save(tmp_path / "a.jpg", exif=b"Exif\0\0" + blob)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.getexif().get_ifd(IFD.IFD1)  # the test's own file is right
    kept = read(tmp_path / "a.jpg").metadata.exif
    assert b"Camera" in kept
    assert data not in kept


def chunk(kind, data):
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def with_chunks(path, *chunks):
    file = io.BytesIO()
    IMAGE.save(file, "PNG")
    data = file.getvalue()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:])
    return path


LINEAR = chunk(b"gAMA", (100_000).to_bytes(4, "big"))
USUAL = chunk(b"gAMA", (45_455).to_bytes(4, "big"))
WIDE = chunk(b"cHRM", np.array([31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600], ">u4").tobytes())
NARROW = chunk(b"cHRM", np.array([31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000], ">u4").tobytes())
P3 = chunk(b"cICP", bytes([12, 13, 0, 1]))
SRGB = chunk(b"sRGB", b"\0")
PROFILE = chunk(b"iCCP", b"ICC\0\0" + zlib.compress(ICC))


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("chunks", "needed"),
    [
        ((LINEAR,), True),
        ((WIDE,), True),
        ((P3,), True),
        ((P3, PROFILE), True),
        ((USUAL, NARROW), False),
        ((SRGB, USUAL, NARROW), False),
        ((LINEAR, PROFILE), False),  # the profile says all
        ((chunk(b"cICP", bytes([1, 13, 0, 1])),), False),
    ],
)
def test_descriptions_of_colour_are_carried_over_or_refused(tmp_path, chunks, needed, deep):
    picture = read(with_chunks(tmp_path / "a.png", *chunks))
    if deep:
        picture = picture._replace(pixels=picture.pixels.astype(np.uint16) * 257)
    write(tmp_path / "b.png", picture)
    written = (tmp_path / "b.png").read_bytes()
    for data in chunks:
        assert data in written or data is PROFILE
        assert written.find(data[4:8]) < written.find(b"IDAT")
    for suffix in (".tif",) if deep else (".tif", ".jpg", ".webp"):
        if needed:
            with pytest.raises(InputError, match=r"choose \.png"):
                check(tmp_path / f"b{suffix}", picture)
        else:
            write(tmp_path / f"b{suffix}", picture)


def broken(data, at):
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


DAMAGED = [
    broken(PROFILE, 40),  # the checksum fails
    chunk(b"iCCP", b"ICC\0\0" + b"no zlib"),
    chunk(b"iCCP", b"ICC\0\0" + zlib.compress(ICC)[:-20]),
    chunk(b"iCCP", b"ICC\0\0" + zlib.compress(b"no profile at all")),
    chunk(b"iCCP", b"ICC\0\0" + zlib.compress(ICC[:200])),
    chunk(b"iCCP", b"ICC\0\0" + zlib.compress(bytes(2**25))),  # a bomb
    chunk(b"iCCP", b"without an end"),
    chunk(b"iCCP", b"ICC\0\0" + zlib.compress(CMYK_SPACE)),
    broken(chunk(b"eXIf", b"II*\0"), 9),
    broken(chunk(b"tEXt", b"Title\0A"), 12),
]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_damage_beside_a_png_costs_a_warning(tmp_path, damaged, caplog):
    picture = read(with_chunks(tmp_path / "a.png", damaged))
    assert np.array_equal(picture.pixels, np.asarray(IMAGE))
    assert picture.metadata == Metadata()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"{tmp_path / 'a.png'}: ")
    assert "left out" in caplog.messages[0]


@pytest.mark.parametrize("icc", [b"no profile at all", ICC[:200], CMYK_SPACE])
@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_damaged_profile_costs_a_warning(tmp_path, icc, suffix, deep, caplog):
    path = tmp_path / f"a{suffix}"
    if deep:
        if suffix != ".tif":
            pytest.skip("no 16 bits")
        tifffile.imwrite(path, np.asarray(IMAGE).astype(np.uint16), photometric="rgb", iccprofile=icc)
    else:
        IMAGE.save(path, icc_profile=icc)
    picture = read(path)
    assert picture.pixels.shape == (20, 30, 3)
    assert picture.metadata.icc is None
    assert len(caplog.messages) == 1
    assert "profile left out" in caplog.messages[0]
    write(tmp_path / "b.png", picture)


def test_a_jpeg_that_lacks_a_part_of_its_profile(tmp_path, caplog):
    IMAGE.save(tmp_path / "a.jpg", icc_profile=ICC + bytes(70_000))
    content = (tmp_path / "a.jpg").read_bytes()
    last = content.rindex(b"ICC_PROFILE") - 4
    length = int.from_bytes(content[last + 2 : last + 4], "big")
    (tmp_path / "a.jpg").write_bytes(content[:last] + content[last + 2 + length :])
    assert read(tmp_path / "a.jpg").metadata.icc is None
    assert "a part is missing" in caplog.messages[0]


def test_blocks_too_large_for_a_jpeg_are_named(tmp_path, caplog):
    kept = Metadata(xmp=b"x" * 70_000, iptc=b"y" * 70_000)
    write(tmp_path / "a.jpg", Picture(np.asarray(IMAGE), kept))
    assert read(tmp_path / "a.jpg").metadata == Metadata(lossy=True, jpeg_quality=95)
    assert caplog.messages[0].endswith("left out, as .jpg can't hold it: IPTC, XMP")


def test_a_description_of_the_arrays_shape_is_not_kept(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.asarray(IMAGE), photometric="rgb")
    write(tmp_path / "b.tif", read(tmp_path / "a.tif"))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert "ImageDescription" not in file.pages.first.tags


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("lossless", [False, True])
def test_lossless_webp_stays_so(tmp_path, lossless, extended):
    IMAGE.save(tmp_path / "a.webp", lossless=lossless, icc_profile=ICC if extended else b"")
    picture = read(tmp_path / "a.webp")
    assert picture.metadata.lossless == lossless
    write(tmp_path / "b.webp", picture)
    assert np.array_equal(read(tmp_path / "b.webp").pixels, picture.pixels) == lossless
