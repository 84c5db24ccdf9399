import logging

import h5py
import numpy as np
import pytest
from PIL import Image

from fsrcnn.data import hdf5
from fsrcnn.download import srcnn
from fsrcnn.errors import InputError


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(16, 235, shape).astype(np.float32)


def resized(y, height, width):
    return np.asarray(Image.fromarray(y).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "91-image_x4.h5"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "train.h5"


@pytest.mark.parametrize(("scale", "side", "small"), [(2, 32, 16), (3, 33, 11), (4, 32, 8)])
def test_patches_are_rebuilt_from_hr(path, target, scale, side, small, monkeypatch):
    hr = noise(5, 33, 33)
    with h5py.File(path, "w") as file:
        file["lr"], file["hr"] = noise(5, 33, 33, seed=1), hr
    monkeypatch.setattr(hdf5, "BLOCK", 2)
    srcnn.rebuild(path, target, scale, source="91-image")
    assert hdf5.describe(target, scale) == ("patches", False, 5)
    with h5py.File(target) as file:
        assert file["lr"].shape == (5, small, small)
        for i in range(5):
            large = resized(hr[i], side, side)
            np.testing.assert_allclose(file["hr"][i], large, atol=1e-4)
            np.testing.assert_allclose(file["lr"][i], resized(large, small, small), atol=1e-4)
    about = hdf5.attributes(target)
    assert (about["source"], about["scale"], about["layout"]) == ("91-image", scale, "patches")
    assert "rebuilt" in about["made"]


@pytest.mark.parametrize(("scale", "lr"), [(2, (18, 25)), (3, (12, 16)), (4, (9, 12))])
def test_images_are_rebuilt_from_hr(path, target, scale, lr):
    shapes = [(37, 50), (36, 48), *[(37, 50)] * 9]  # "10" must stay the last
    with h5py.File(path, "w") as file:
        for i, shape in enumerate(shapes):
            file[f"lr/{i}"], file[f"hr/{i}"] = noise(*shape, seed=50 + i), noise(*shape, seed=i)
        file["lr/0"].attrs.update(image=np.bytes_(b"baby"), variant=np.bytes_(b"1.0 0"))
    srcnn.rebuild(path, target, scale, source="Set5")
    assert hdf5.describe(target, scale) == ("images", False, 11)
    rebuilt = list(hdf5.read_pairs(target, scale))
    assert [pair.image for pair in rebuilt] == ["baby", *map(str, range(1, 11))]
    assert rebuilt[0].variant == "1.0 0"
    assert rebuilt[0].lr.shape == lr
    for i, (pair, shape) in enumerate(zip(rebuilt, shapes, strict=True)):
        h, w = shape[0] // scale, shape[1] // scale
        large = resized(noise(*shape, seed=i), h * scale, w * scale)
        np.testing.assert_allclose(pair.hr, large, atol=1e-4)
        np.testing.assert_allclose(pair.lr, resized(large, h, w), atol=1e-4)


def test_hr_that_fits_is_kept_to_the_bit(path, target):
    hr = noise(3, 36, 36)
    with h5py.File(path, "w") as file:
        file["lr"], file["hr"] = np.zeros_like(hr), hr
    srcnn.rebuild(path, target, 4, source="91-image")
    with h5py.File(target) as file:
        assert np.array_equal(file["hr"], hr)
        assert file["lr"][()].min() > 0  # nothing of the file's own lr


def test_a_warning_names_the_file_and_the_layout(path, target, caplog):
    with h5py.File(path, "w") as file:
        file["lr"], file["hr"] = noise(2, 32, 32), noise(2, 32, 32)
    with caplog.at_level(logging.WARNING):
        srcnn.rebuild(path, target, 4, source="91-image")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("91-image_x4.h5: SRCNN layout")


@pytest.mark.parametrize("layout", ["images", "patches"])
def test_the_fsrcnn_layout_needs_no_rebuilding(path, target, layout):
    lr, hr = noise(2, 6, 6), noise(2, 24, 24)
    with h5py.File(path, "w") as file:
        if layout == "patches":
            file["lr"], file["hr"] = lr, hr
        else:
            file["lr/0"], file["hr/0"] = lr[0], hr[0]
    with pytest.raises(InputError, match="in the FSRCNN layout") as caught:
        srcnn.rebuild(path, target, 4, source="91-image")
    assert str(caught.value).startswith(f"{path}: ")
    assert not target.exists()


def test_broken_values_leave_no_target(path, target):
    hr = noise(4, 32, 32)
    hr[3, 0, 0] = np.nan
    with h5py.File(path, "w") as file:
        file["lr"], file["hr"] = noise(4, 32, 32), hr
    with pytest.raises(InputError, match="not finite"):
        srcnn.rebuild(path, target, 4, source="91-image")
    assert list(target.parent.iterdir()) == []
