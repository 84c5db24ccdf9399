"""What the samples of a TIFF mean, in every layout."""

import io
import logging
from collections.abc import Callable

import numpy as np
import pytest
import tifffile
from PIL import Image

from fsrcnn.errors import InputError
from fsrcnn.pictures.reading import read

SHAPE = (70, 48)
# Extra samples by their number in the file, and where among them alpha is.
EXTRAS = {"none": (), "associated": (1,), "unassociated": (2,), "nothing": (0,), "two": (0, 2)}
LAYOUTS = [
    {},
    {"planarconfig": "separate"},
    {"tile": (32, 16)},
    {"tile": (32, 16), "planarconfig": "separate", "compression": "lzw"},
    {"compression": "lzw", "predictor": True, "rowsperstrip": 7},
    {"compression": "zlib", "byteorder": ">"},
    {"compression": "packbits", "rowsperstrip": 16},
    {"byteorder": ">", "bigtiff": True},
]


def samples(channels, bits):
    peak = 2**bits - 1
    image = np.random.default_rng(bits).integers(0, peak, (*SHAPE, channels), endpoint=True)
    return image.astype(np.uint8 if bits <= 8 else np.uint16)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
@pytest.mark.parametrize("bits", [8, 16])
def test_samples_mean_what_the_file_says(tmp_path, bits, photometric, extra, layout):
    kinds, colours = EXTRAS[extra], 3 if photometric == "rgb" else 1
    image = samples(colours + len(kinds), bits)
    peak = 2**bits - 1
    if extra == "associated":
        alpha = np.maximum(image[..., -1:], peak // 8)
        image[..., -1:] = alpha
        image[..., :-1] = image[..., :-1].astype(np.uint32) * alpha // peak
    write(tmp_path / "a.tif", image, photometric, kinds, **layout)

    expected = image[..., :colours].astype(float)
    if photometric == "miniswhite":
        expected = peak - expected
    alpha = image[..., -1:] if {1, 2} & set(kinds) else image[..., :0]
    if extra == "associated":
        expected = np.minimum(expected * peak / alpha, peak)
    expected = np.concatenate((expected, alpha), -1)
    result = read(tmp_path / "a.tif").pixels
    assert result.dtype == image.dtype
    assert result.shape == (expected[..., 0] if expected.shape[2] == 1 else expected).shape
    assert np.abs(result.reshape(expected.shape) - expected).max() <= 0.51


def packer(compression: str) -> Callable[..., bytes]:
    """One strip as libtiff packs it; tifffile would need imagecodecs for it."""

    def pack(data: np.ndarray, **options: object) -> bytes:
        rows = data.reshape(len(data), -1).view(np.uint8)
        file = io.BytesIO()
        Image.fromarray(rows).save(file, "TIFF", compression=compression, strip_size=rows.size)
        file.seek(0)
        with tifffile.TiffFile(file) as made:
            page = made.pages.first
            assert len(page.dataoffsets) == 1
            return file.getvalue()[page.dataoffsets[0] :][: page.databytecounts[0]]

    return pack


@pytest.fixture(autouse=True)
def _packers(monkeypatch):
    for name, compression in (("lzw", "tiff_lzw"), ("packbits", "packbits")):
        monkeypatch.setattr(
            tifffile.tifffile.imagecodecs, f"{name}_encode", packer(compression), raising=False
        )


def write(path, image, photometric, kinds, **layout):
    if layout.get("planarconfig") == "separate":
        layout = {k: v for k, v in layout.items() if image.shape[2] > 1 or k != "planarconfig"}
        image = np.moveaxis(image, -1, 0) if image.shape[2] > 1 else image
    elif image.shape[2] > 1:
        layout = {"planarconfig": "contig", **layout}
    image = image[..., 0] if image.shape[-1] == 1 else image
    tifffile.imwrite(
        path, image, photometric=photometric, extrasamples=kinds or None, metadata=None, **layout
    )


@pytest.mark.parametrize("bits", [2, 4, 10, 12, 14])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_other_depths_fill_the_range(tmp_path, bits, channels, photometric):
    image = samples(channels, bits)
    if channels == 3:
        if photometric == "miniswhite":
            pytest.skip("of grey alone")
        photometric = "rgb"
    stored = packed(image, bits)
    by_hand(tmp_path / "a.tif", stored, channels, photometric, bits)
    peak = 255 if bits <= 8 else 65535
    expected = np.round(image * (peak / (2**bits - 1)))
    if photometric == "miniswhite":
        expected = peak - expected
    result = read(tmp_path / "a.tif").pixels
    assert np.array_equal(result.reshape(image.shape), expected)


def packed(image, bits):
    """Rows of samples without gaps, the highest bit first, each row filled up to a byte."""
    rows = image.reshape(image.shape[0], -1)
    ones = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(ones.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def by_hand(path, data, channels, photometric, bits):
    """A TIFF written by hand: one strip, little-endian."""
    number = {"miniswhite": 0, "minisblack": 1, "rgb": 2}[photometric]
    at = 8 + 2 + 12 * 8 + 4
    depth = (bits, at) if channels == 3 else (bits, bits)
    tags = [
        (256, 4, 1, SHAPE[1]), (257, 4, 1, SHAPE[0]), (258, 3, channels, depth[1]), (259, 3, 1, 1),
        (262, 3, 1, number), (273, 4, 1, at + 8), (277, 3, 1, channels), (279, 4, 1, len(data)),
    ]  # fmt: skip
    entries = b"".join(
        np.array([tag, kind], "<u2").tobytes() + np.array([count, value], "<u4").tobytes()
        for tag, kind, count, value in tags
    )
    depths = np.array([bits] * 4, "<u2").tobytes()
    path.write_bytes(b"II*\0\x08\0\0\0\x08\0" + entries + bytes(4) + depths + data)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros(SHAPE, np.int16), {}, "signed samples"),
        (np.zeros(SHAPE, np.int8), {}, "signed samples"),
        (np.zeros((*SHAPE, 3), np.int16), {"photometric": "rgb"}, "signed samples"),
        (np.zeros(SHAPE, np.float32), {}, "floating-point samples"),
        (np.zeros(SHAPE, np.float16), {}, "floating-point samples"),
        (np.zeros(SHAPE, np.uint32), {}, "32-bit values"),
        (np.zeros((*SHAPE, 4), np.uint16), {"photometric": "separated"}, "16-bit CMYK"),
        (np.zeros(SHAPE, np.uint8), {"photometric": "cfa"}, "kind CFA"),
        (np.zeros((*SHAPE, 3), np.uint8), {"photometric": "cielab"}, "kind CIELAB"),
        (np.zeros((*SHAPE, 20), np.uint8), {"planarconfig": "contig"}, "20 samples a pixel"),
    ],
)
def test_what_has_no_one_meaning_is_refused_with_the_reason(tmp_path, image, options, message):
    tags = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, b"\0\1\1\2", True)]
    extra = tags if options.get("photometric") == "cfa" else []
    tifffile.imwrite(tmp_path / "a.tif", image, **{"photometric": "minisblack", **options}, extratags=extra)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / "a.tif")
    assert "\n" not in str(caught.value)


def test_samples_without_meaning_are_named(tmp_path, caplog):
    write(tmp_path / "a.tif", samples(5, 8), "rgb", (0, 0))
    assert read(tmp_path / "a.tif").pixels.shape == (*SHAPE, 3)
    assert caplog.messages == [f"{tmp_path / 'a.tif'}: 2 extra samples without a meaning left out"]


@pytest.mark.parametrize("mode", ["P", "CMYK", "RGB", "L"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "jpeg"])
def test_colour_spaces_and_jpeg_inside(tmp_path, mode, compression):
    if (mode, compression) == ("P", "jpeg"):
        pytest.skip("there is none")
    slope = np.linspace(0, 255, 48).astype(np.uint8)[None, :, None].repeat(70, 0).repeat(3, 2)
    image = Image.fromarray(slope).convert(mode)
    image.save(tmp_path / "a.tif", compression=compression)
    result = read(tmp_path / "a.tif").pixels
    expected = np.asarray(image if mode in ("L", "RGB") else image.convert("RGB"))
    assert result.shape == expected.shape
    assert np.abs(result.astype(int) - expected).max() <= (8 if compression == "jpeg" else 0)


@pytest.mark.parametrize(("flags", "pages"), [((0, 1, 1), 1), ((1, 0), 1), ((0, 0), 2), ((0, 2, 1), 2)])
def test_reduced_copies_are_no_pages(tmp_path, flags, pages):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for flag in flags:
            image = np.full((20, 30, 3) if flag != 1 else (10, 15, 3), 100 + flag, np.uint8)
            file.write(image, photometric="rgb", subfiletype=flag, metadata=None)
    if pages == 1:
        assert read(tmp_path / "a.tif").pixels.shape == (20, 30, 3)
    else:
        with pytest.raises(InputError, match="2 frames or pages"):
            read(tmp_path / "a.tif")


def test_a_cut_file_is_refused(tmp_path):
    for layout in LAYOUTS:
        write(tmp_path / "a.tif", samples(3, 16), "rgb", (), **layout)
        content = (tmp_path / "a.tif").read_bytes()
        for share in (0.3, 0.6, 0.95):
            (tmp_path / "b.tif").write_bytes(content[: int(len(content) * share)])
            with pytest.raises(InputError, match="not a readable picture"):
                read(tmp_path / "b.tif")


def test_tifffile_is_silent(tmp_path, capsys, caplog):
    write(tmp_path / "a.tif", samples(3, 8), "rgb", ())
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[-9000:] = b""
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(InputError), caplog.at_level(logging.WARNING):
        read(tmp_path / "a.tif")
    assert capsys.readouterr().err == ""
    assert caplog.messages == []
