import io

import numpy as np
import pytest
from PIL import Image

from fsrcnn.data.luma import luma
from fsrcnn.data.pairs import augment, make_pair, resize_luma, upscale_bicubic
from fsrcnn.download.folder import read_folder
from fsrcnn.errors import InputError

ANGLES = (0, 90, 180, 270)


def picture(width, height, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def y_of(image):
    rgb = np.asarray(image, dtype=np.float64)
    return 16 + (64.738 * rgb[..., 0] + 129.057 * rgb[..., 1] + 25.064 * rgb[..., 2]) / 256


def bicubic(length, target):
    """The (target, length) matrix of the antialiased cubic, a = -1/2, on one axis."""
    step = length / target
    reach = max(step, 1.0)
    centres = (np.arange(target)[:, None] + 0.5) * step
    x = np.abs((np.arange(length)[None, :] + 0.5 - centres) / reach)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    kernel = np.where(x < 1, near, np.where(x < 2, far, 0))
    return kernel / kernel.sum(1, keepdims=True)


def test_read_folder_takes_pictures_in_file_name_order(tmp_path):
    grey = Image.new("L", (4, 3), 100)
    for name in ("b.PNG", "10.png", "9.bmp", "a.tiff"):
        grey.save(tmp_path / name)
    Image.new("RGBA", (4, 3), (1, 2, 3, 4)).save(tmp_path / "Z.png")
    Image.new("P", (4, 3)).save(tmp_path / "c.bmp")
    (tmp_path / "README.txt").write_text("not a picture")
    images = list(read_folder(tmp_path))
    assert [name for name, _ in images] == ["10", "9", "Z", "a", "b", "c"]
    assert {image.mode for _, image in images} == {"RGB"}
    colours = [image.getpixel((3, 2)) for _, image in images]
    assert colours[0] == (100, 100, 100)
    assert colours[2] == (1, 2, 3)


def test_read_folder_without_pictures(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(InputError, match="no pictures") as caught:
        list(read_folder(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}: ")


def saved(suffix):
    file = io.BytesIO()
    picture(60, 40).save(file, suffix)
    return file.getvalue()


def huge_bmp():
    data = bytearray(saved("bmp"))
    data[18:26] = b"\xff\xff\x0f\x00" * 2  # width and height of a million pixels
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("b.png", b""),
        ("b.png", b"<!DOCTYPE html><title>404</title>"),
        ("b.png", saved("png")[:1000]),
        ("b.bmp", saved("bmp")[:1000]),
        ("b.jpg", saved("jpeg")[:700]),
        ("b.bmp", huge_bmp()),
    ],
    ids=["empty", "a page", "cut png", "cut bmp", "cut jpg", "impossible size"],
)
def test_read_folder_names_the_broken_picture(tmp_path, name, data):
    picture(5, 5).save(tmp_path / "a.png")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        list(read_folder(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path / name}: not a readable picture")
    assert "\n" not in str(caught.value)


def test_augment_gives_five_sizes_by_four_rotations():
    # 33 x 47 shrunk by 0.9 is 29.7 x 42.3, and so on: the sides are truncated.
    sizes = {"1.0": (33, 47), "0.9": (29, 42), "0.8": (26, 37), "0.7": (23, 32), "0.6": (19, 28)}
    variants = list(augment(picture(33, 47)))
    assert [label for label, _ in variants] == [f"{shrink} {angle}" for shrink in sizes for angle in ANGLES]
    for label, image in variants:
        shrink, angle = label.split()
        size = sizes[shrink]
        assert image.size == (size if angle in ("0", "180") else size[::-1])


def test_augment_shrinks_the_original_and_turns_it_counter_clockwise():
    original = picture(33, 47)
    variants = dict(augment(original))
    assert np.array_equal(variants["1.0 0"], original)
    for shrink, size in (("1.0", (33, 47)), ("0.9", (29, 42)), ("0.6", (19, 28))):
        upright = np.asarray(original.resize(size, Image.Resampling.BICUBIC))
        for turns, angle in enumerate(ANGLES):
            assert np.array_equal(variants[f"{shrink} {angle}"], np.rot90(upright, turns)), (shrink, angle)


@pytest.mark.parametrize("fit", ["resize", "crop"])
@pytest.mark.parametrize(
    ("size", "scale", "lr"),
    [
        ((24, 36), 2, (18, 12)),
        ((25, 36), 2, (18, 12)),
        ((24, 36), 3, (12, 8)),
        ((26, 35), 3, (11, 8)),
        ((24, 36), 4, (9, 6)),
        ((27, 39), 4, (9, 6)),
    ],
)
def test_pair_is_luma_of_the_fitted_picture_and_of_its_reduction(size, scale, lr, fit):
    image = picture(*size)
    width, height = lr[1], lr[0]
    if fit == "resize":
        hr = image.resize((width * scale, height * scale), Image.Resampling.BICUBIC)
    else:
        hr = Image.fromarray(np.asarray(image)[: height * scale, : width * scale])
    small, large = make_pair(image, scale, fit)
    assert small.shape == lr
    assert large.shape == (lr[0] * scale, lr[1] * scale)
    assert small.dtype == large.dtype == np.float32
    np.testing.assert_allclose(large, y_of(hr), atol=3e-5)
    np.testing.assert_allclose(small, y_of(hr.resize((width, height), Image.Resampling.BICUBIC)), atol=3e-5)


@pytest.mark.parametrize("fit", ["resize", "crop"])
@pytest.mark.parametrize("size", [(1, 1), (3, 50), (50, 3)])
def test_picture_smaller_than_the_scale(size, fit):
    with pytest.raises(InputError, match=f"{size[0]}x{size[1]} pixels are too few for x4"):
        make_pair(picture(*size), 4, fit)
    for _, variant in augment(picture(*size)):
        assert min(variant.size) > 0


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_fits_differ_only_where_a_side_is_not_a_multiple(scale):
    whole = picture(12 * scale, 10 * scale)
    for one, other in zip(make_pair(whole, scale, "resize"), make_pair(whole, scale, "crop"), strict=True):
        assert np.array_equal(one, other)
    odd = picture(12 * scale + 1, 10 * scale)
    resized, cropped = make_pair(odd, scale, "resize"), make_pair(odd, scale, "crop")
    assert np.array_equal(cropped[1], luma(np.asarray(odd))[:, :-1])
    assert np.abs(resized[1] - cropped[1]).max() > 5
    # Resizing smooths: noise loses part of its spread.
    assert resized[1].std() < 0.97 * cropped[1].std()


@pytest.mark.parametrize(("height", "width"), [(10, 14), (5, 7), (20, 28), (13, 9)])
def test_resize_luma_is_the_antialiased_cubic(height, width):
    y = np.random.default_rng(0).uniform(16, 235, (10, 14)).astype(np.float32)
    expected = bicubic(10, height) @ y.astype(np.float64) @ bicubic(14, width).T
    resized = resize_luma(y, height, width)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, expected, atol=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_upscale_keeps_a_slope_and_is_neither_rounded_nor_clamped(scale):
    slope = np.tile(np.arange(12, dtype=np.float32), (8, 1))
    large = upscale_bicubic(slope, scale)
    assert large.shape == (8 * scale, 12 * scale)
    expected = (np.arange(12 * scale) + 0.5) / scale - 0.5
    inner = slice(3 * scale, -3 * scale)
    np.testing.assert_allclose(large[:, inner], np.tile(expected[inner], (8 * scale, 1)), atol=1e-5)
    step = np.repeat(np.float32([[0, 255]]), 6, axis=1).repeat(4, axis=0)
    large = upscale_bicubic(step, scale)
    assert large.min() < -5
    assert large.max() > 260


def test_real_pictures_are_read_whole(mirror):
    sizes = {name: image.size for name, image in read_folder(mirror / "Set5")}
    assert sizes == {
        "baby_GT": (512, 512),
        "bird_GT": (288, 288),
        "butterfly_GT": (256, 256),
        "head_GT": (280, 280),
        "woman_GT": (228, 344),
    }
    assert len(list(read_folder(mirror / "91-image"))) == 91
