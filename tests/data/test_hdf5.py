import time

import h5py
import numpy as np
import pytest

from fsrcnn.data import hdf5
from fsrcnn.data.hdf5 import Pair
from fsrcnn.errors import InputError

SCALES = [2, 3, 4]
ABOUT = {"source": "91-image", "made": "for a test"}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(16, 235, shape).astype(np.float32)


def pairs(scale, count=3):
    return [
        Pair(
            noise(5 + i, 7, seed=i),
            noise((5 + i) * scale, 7 * scale, seed=100 + i),
            f"photo{i // 2}",
            f"0.9 {i}",
        )
        for i in range(count)
    ]


def blocks(scale, sizes=(5, 3), side=6):
    return [(noise(n, side, side, seed=n), noise(n, side * scale, side * scale, seed=100 + n)) for n in sizes]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "set.h5"


def foreign(path, lr, hr):
    """A file from outside: arrays or lists of images, no attributes."""
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, data in (("lr", lr), ("hr", hr)):
            if isinstance(data, dict):
                group = file.create_group(name)
                for key, values in data.items():
                    group[key] = values
            elif data is not None:
                file[name] = data


@pytest.mark.parametrize("scale", SCALES)
def test_pairs_come_back_as_they_were_written(path, scale):
    written = pairs(scale, 12)  # "10" and "11" must come after "9"
    assert hdf5.write_pairs(path, iter(written), scale, **ABOUT) == 12
    read = list(hdf5.read_pairs(path, scale))
    assert len(read) == 12
    for one, other in zip(written, read, strict=True):
        assert (one.image, one.variant) == (other.image, other.variant)
        assert other.lr.dtype == other.hr.dtype == np.float32
        assert np.array_equal(one.lr, other.lr)
        assert np.array_equal(one.hr, other.hr)


@pytest.mark.parametrize("scale", SCALES)
def test_patches_come_back_as_they_were_written(path, scale, monkeypatch):
    written = blocks(scale, (5, 3, 1))
    assert hdf5.write_patches(path, iter(written), scale, **ABOUT) == 9
    monkeypatch.setattr(hdf5, "BLOCK", 4)
    read = list(hdf5.read_patches(path, scale))
    assert [len(lr) for lr, _ in read] == [4, 4, 1]
    for side in (0, 1):
        one = np.concatenate([block[side] for block in written])
        other = np.concatenate([block[side] for block in read])
        assert other.dtype == np.float32
        assert np.array_equal(one, other)


def photographs(count=12):
    """Names and 8-bit pixels, RGB and grey in turn."""
    random = np.random.default_rng(0)
    return [
        (f"photo{i}", random.integers(256, size=(9 + i, 7, 3) if i % 2 else (9 + i, 7), dtype=np.uint8))
        for i in range(count)
    ]


def test_pictures_come_back_as_they_were_written(path):
    written = photographs()
    assert hdf5.write_pictures(path, iter(written), **ABOUT) == 12
    read = list(hdf5.read_pictures(path))
    assert [name for name, _ in read] == [name for name, _ in written]
    for (_, one), (_, other) in zip(written, read, strict=True):
        assert other.dtype == np.uint8
        assert np.array_equal(one, other)


@pytest.mark.parametrize("scale", SCALES)
def test_pictures_are_of_no_scale(path, scale):
    hdf5.write_pictures(path, photographs(2), **ABOUT)
    assert hdf5.describe(path, scale) == ("pictures", False, 2)
    expected = {"source": "91-image", "layout": "pictures", "made": "for a test"}
    assert hdf5.attributes(path) == expected
    hdf5.annotate(path, scale, source="91-image", made="anew")
    assert hdf5.attributes(path) == expected | {"made": "anew"}


def test_pictures_take_no_more_room_than_their_pixels(path):
    pixels = noise(200, 300, 3).astype(np.uint8)
    hdf5.write_pictures(path, [("a", pixels), ("b", pixels)], **ABOUT)
    assert path.stat().st_size < 1.05 * 2 * pixels.size


def test_parts_are_read_alone(path):
    rows, columns = slice(2, 5), slice(1, 4)
    written = photographs(3)
    hdf5.write_pictures(path, written, **ABOUT)
    with hdf5.Reader(path, 4) as reader:
        assert [reader.size(i) for i in range(3)] == [(9, 7), (10, 7), (11, 7)]
        assert reader.label(2) == ("photo2", "")
        for i, (_, pixels) in enumerate(written):
            assert np.array_equal(reader.picture(i, rows, columns), pixels[2:5, 1:4])
    images = pairs(3)
    hdf5.write_pairs(path, images, 3, **ABOUT)
    with hdf5.Reader(path, 3) as reader:
        assert reader.size(1) == (6, 7)
        part = reader.pair(1, rows, columns)
        assert (part.image, part.variant) == ("photo0", "0.9 1")
        assert np.array_equal(part.lr, images[1].lr[2:5, 1:4])
        assert np.array_equal(part.hr, images[1].hr[6:15, 3:12])
    ((lr, hr),) = blocks(4, (5,))
    hdf5.write_patches(path, [(lr, hr)], 4, **ABOUT)
    with hdf5.Reader(path, 4) as reader:
        assert reader.size(0) == (6, 6)
        for whole, part in zip((lr, hr), reader.patches(slice(1, 3)), strict=True):
            assert np.array_equal(part, whole[1:3])


def test_files_have_the_published_structure(path):
    hdf5.write_pairs(path, pairs(4, 2), 4, **ABOUT)
    with h5py.File(path) as file:
        assert set(file) == {"lr", "hr"}
        assert set(file["lr"]) == set(file["hr"]) == {"0", "1"}
        assert file["lr/1"].shape == (6, 7)
        assert file["hr/1"].shape == (24, 28)
    hdf5.write_patches(path, blocks(4), 4, **ABOUT)
    with h5py.File(path) as file:
        assert file["lr"].shape == (8, 6, 6)
        assert file["hr"].shape == (8, 24, 24)
        assert file["hr"].dtype == np.float32


@pytest.mark.parametrize("layout", ["images", "patches"])
def test_attributes_say_what_a_file_is(path, layout):
    if layout == "images":
        hdf5.write_pairs(path, pairs(3), 3, **ABOUT)
    else:
        hdf5.write_patches(path, blocks(3), 3, **ABOUT)
    expected = {"source": "91-image", "scale": 3, "layout": layout, "made": "for a test"}
    assert hdf5.attributes(path) == expected


@pytest.mark.parametrize("layout", ["images", "patches"])
def test_annotate_gives_a_foreign_file_our_attributes(path, layout):
    if layout == "images":
        foreign(path, {"0": noise(4, 5), "1": noise(6, 5)}, {"0": noise(8, 10), "1": noise(12, 10)})
    else:
        foreign(path, noise(3, 10, 10), noise(3, 20, 20))
    with pytest.raises(InputError, match="layout, made, scale, source") as caught:
        hdf5.attributes(path)
    one_line(caught.value, path)
    hdf5.annotate(path, 2, source="Set5", made="as published")
    expected = {"source": "Set5", "scale": 2, "layout": layout, "made": "as published"}
    assert hdf5.attributes(path) == expected
    if layout == "images":
        assert [(pair.image, pair.variant) for pair in hdf5.read_pairs(path, 2)] == [("0", ""), ("1", "")]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("srcnn", [False, True])
def test_describe_tells_the_layouts_apart(path, scale, srcnn):
    times = 1 if srcnn else scale
    foreign(path, noise(7, 12, 12), noise(7, 12 * times, 12 * times))
    assert hdf5.describe(path, scale) == ("patches", srcnn, 7)
    lr = {str(i): noise(12, 10 + i) for i in range(3)}
    foreign(path, lr, {name: noise(12 * times, y.shape[1] * times) for name, y in lr.items()})
    assert hdf5.describe(path, scale) == ("images", srcnn, 3)


def test_describe_reads_what_we_write(path):
    hdf5.write_pairs(path, pairs(4), 4, **ABOUT)
    assert hdf5.describe(path, 4) == ("images", False, 3)
    hdf5.write_patches(path, blocks(4), 4, **ABOUT)
    assert hdf5.describe(path, 4) == ("patches", False, 8)


def one_line(error, path):
    assert str(error).startswith(f"{path}: ")
    assert "\n" not in str(error)


READERS = {
    "describe": hdf5.describe,
    "read_pairs": lambda path, scale: list(hdf5.read_pairs(path, scale)),
    "read_patches": lambda path, scale: list(hdf5.read_patches(path, scale)),
    "annotate": lambda path, scale: hdf5.annotate(path, scale, **ABOUT),
}


def refused(path, reader, reason, scale=4):
    with pytest.raises(InputError, match=reason) as caught:
        READERS[reader](path, scale)
    one_line(caught.value, path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", bytes(5000)])
def test_not_hdf5(path, reader, content):
    path.parent.mkdir()
    path.write_bytes(content)
    refused(path, reader, "not a readable HDF5 file")
    assert path.read_bytes() == content


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_truncated(path, reader, share):
    hdf5.write_pairs(path, pairs(4), 4, **ABOUT)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, reader, "not a readable HDF5 file")


@pytest.mark.parametrize("reader", READERS)
def test_no_such_file(path, reader):
    refused(path, reader, "no such file; run the download stage")


ONE = {"0": noise(6, 6)}
ONE_HR = {"0": noise(24, 24)}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("lr", "hr", "reason"),
    [
        (None, None, "no lr and hr"),
        (ONE, None, "no lr and hr"),
        (None, noise(2, 24, 24), "no lr and hr"),
        (ONE, noise(1, 24, 24), "neither as datasets nor as groups"),
        (noise(6, 6), noise(24, 24), r"\(6, 6\)"),
        (noise(2, 1, 6, 6), noise(2, 1, 24, 24), "pairs"),
        (noise(2, 6, 6), noise(3, 24, 24), "pairs"),
        (noise(0, 6, 6), noise(0, 24, 24), "pairs"),
        (noise(2, 0, 6), noise(2, 0, 24), "empty"),
        ({}, {}, "no images"),
        (ONE | {"1": noise(6, 6)}, ONE_HR, "not the same"),
        (ONE, {"1": noise(24, 24)}, "not the same"),
        ({"0": noise(1, 6, 6)}, {"0": noise(1, 24, 24)}, "image 0"),
        ({"0/deep": noise(6, 6)}, ONE_HR, "not a dataset"),
        (ONE | {"1": noise(6, 6)}, ONE_HR | {"1": noise(6, 6)}, "both layouts"),
        (ONE, {"0": noise(18, 18)}, "another scale"),
        (ONE, {"0": noise(24, 20)}, "another scale"),
        (noise(2, 7, 7), noise(2, 21, 21), "another scale"),
        ({"0": np.array([[b"a", b"b"]])}, ONE_HR, "not numeric"),
    ],
)
def test_other_structures_are_refused(path, reader, lr, hr, reason):
    foreign(path, lr, hr)
    before = path.read_bytes()
    refused(path, reader, reason)
    assert path.read_bytes() == before


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 400, -200])
@pytest.mark.parametrize("side", ["lr", "hr"])
@pytest.mark.parametrize("layout", ["images", "patches"])
def test_values_that_are_no_luma(path, layout, side, value):
    data = {"lr": noise(2, 6, 6), "hr": noise(2, 24, 24)}
    data[side][1, 2, 3] = value
    if layout == "patches":
        foreign(path, data["lr"], data["hr"])
        reader = "read_patches"
    else:
        foreign(path, *({"0": y[0], "1": y[1]} for y in data.values()))
        reader = "read_pairs"
    refused(path, reader, "not finite or far outside")


def test_overshoot_and_other_number_types_are_accepted(path):
    foreign(path, {"0": np.float64([[-20, 290]])}, {"0": np.full((4, 8), 235, np.uint8)})
    (pair,) = hdf5.read_pairs(path, 4)
    assert pair.lr.tolist() == [[-20, 290]]
    assert pair.hr.dtype == np.float32
    assert (pair.hr == 235).all()


@pytest.mark.parametrize(
    ("layout", "srcnn"), [("images", False), ("images", True), ("patches", False), ("patches", True)]
)
@pytest.mark.parametrize(
    "asked", [("images", False), ("images", True), ("patches", False), ("patches", True)]
)
def test_only_the_layout_that_is_asked_for_is_read(path, layout, srcnn, asked):
    side = 6 if srcnn else 24
    lr, hr = noise(2, 6, 6), noise(2, side, side)
    if layout == "images":
        foreign(path, {"0": lr[0], "1": lr[1]}, {"0": hr[0], "1": hr[1]})
    else:
        foreign(path, lr, hr)
    read = hdf5.read_pairs if asked[0] == "images" else hdf5.read_patches
    if (layout, srcnn) == asked:
        found = list(read(path, 4, srcnn=asked[1]))
        assert np.array_equal(found[0].hr if layout == "images" else found[0][1][0], hr[0])
        return
    held = f"holds {layout} in the {'SRCNN' if srcnn else 'FSRCNN'} layout, where {asked[0]} were expected"
    with pytest.raises(InputError, match=held) as caught:
        list(read(path, 4, srcnn=asked[1]))
    one_line(caught.value, path)


@pytest.mark.parametrize("missing", ["source", "scale", "layout", "made"])
def test_missing_attribute(path, missing):
    hdf5.write_pairs(path, pairs(4), 4, **ABOUT)
    with h5py.File(path, "r+") as file:
        del file.attrs[missing]
    with pytest.raises(InputError, match=f"attributes missing: {missing};") as caught:
        hdf5.attributes(path)
    one_line(caught.value, path)


def test_texts_come_back_as_they_were_written(path):
    """In letters of any alphabet; also none."""
    (pair,) = pairs(4, 1)
    hdf5.write_pairs(path, [pair._replace(image="Größe 寸法", variant="")], 4, **ABOUT)
    (read,) = hdf5.read_pairs(path, 4)
    assert (read.image, read.variant) == ("Größe 寸法", "")


@pytest.mark.parametrize("name", ["two\nlines", "\udcff", "a\0b"])
def test_a_name_that_could_not_be_read_is_not_written(path, name):
    with pytest.raises(InputError, match="is not one line of text") as caught:
        hdf5.write_pairs(path, [pair._replace(image=name) for pair in pairs(4)], 4, **ABOUT)
    one_line(caught.value, path)
    assert list(path.parent.iterdir()) == []


def test_texts_of_variable_length_are_refused(path):
    """As in the files that this project wrote at first."""
    hdf5.write_pairs(path, pairs(4), 4, **ABOUT)
    with h5py.File(path, "r+") as file:
        file["lr/0"].attrs["image"] = file.attrs["source"] = "91-image"
    for read in (hdf5.attributes, lambda path: list(hdf5.read_pairs(path, 4))):
        with pytest.raises(InputError, match="fixed length; make it anew with the download stage") as caught:
            read(path)
        one_line(caught.value, path)


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("layout", ["images", "patches"])
def test_failed_write_leaves_nothing(path, layout, existing):
    def broken(items):
        yield items[0]
        raise InputError("the second picture is broken")

    path.parent.mkdir()
    if existing:
        path.write_bytes(b"old")
    with pytest.raises(InputError, match="second picture"):
        if layout == "images":
            hdf5.write_pairs(path, broken(pairs(4)), 4, **ABOUT)
        else:
            hdf5.write_patches(path, broken(blocks(4)), 4, **ABOUT)
    assert [file.name for file in path.parent.iterdir()] == ([path.name] if existing else [])
    assert not existing or path.read_bytes() == b"old"


@pytest.mark.parametrize("write", [hdf5.write_pairs, hdf5.write_patches, hdf5.write_pictures])
def test_nothing_to_write(path, write):
    scale = () if write is hdf5.write_pictures else (4,)
    with pytest.raises(InputError, match=r"there are no (images|patches|pictures) to write to it"):
        write(path, [], *scale, **ABOUT)
    assert list(path.parent.iterdir()) == []


def test_writing_twice_gives_the_same_bytes(tmp_path):
    """Else DVC would see new data and train again."""
    written = []
    for i in range(2):
        time.sleep(1.01 * i)  # HDF5 can note times, in whole seconds
        images, patches = tmp_path / f"{i}" / "images.h5", tmp_path / f"other{i}.h5"
        hdf5.write_pairs(images, pairs(4, 12), 4, **ABOUT)
        hdf5.write_patches(patches, blocks(4, (300, 20)), 4, **ABOUT)
        pictures = tmp_path / f"{i}.h5"
        hdf5.write_pictures(pictures, photographs(), **ABOUT)
        foreign(tmp_path / "raw.h5", noise(2, 6, 6), noise(2, 24, 24))
        hdf5.annotate(tmp_path / "raw.h5", 4, **ABOUT)
        files = (images, patches, pictures, tmp_path / "raw.h5")
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
