import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pytest
from PIL import Image

from fsrcnn import hdf5, sources
from fsrcnn.errors import InputError
from fsrcnn.sources import LINKS, DataSettings, prepare

SCALE = 3
SETTINGS = {"source": "published", "links": "fsrcnn", "mirror": ""}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No mirror from outside, and a published host that refuses connections at once."""
    monkeypatch.delenv(sources.MIRROR_VARIABLE, raising=False)
    monkeypatch.setattr(sources, "HOST", "http://127.0.0.1:1/s")
    monkeypatch.setattr(sources, "fetch", partial(sources.fetch, attempts=1))


@pytest.fixture
def target(tmp_path):
    class Target:
        train = tmp_path / "out" / "train.h5"
        evaluation = tmp_path / "out" / "evaluation"
        downloads = tmp_path / "out" / "downloads"

        def prepare(self, scale=SCALE, **changes):
            settings = DataSettings.parse("data", SETTINGS | {k: str(v) for k, v in changes.items()})
            prepare(settings, scale, self.train, self.evaluation, self.downloads)
            return sorted(path.name for path in self.evaluation.iterdir())

    return Target()


def paint(folder, names, size=(31, 29), seed=0):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for name in names:
        pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")


@pytest.fixture
def pictures(tmp_path):
    """A mirror that holds pictures."""
    folder = tmp_path / "mirror"
    paint(folder / "91-image", ["t1", "t2"])
    paint(folder / "Set5", ["baby", "bird"], seed=1)
    return folder


def patch_file(path, scale=SCALE, srcnn=False):
    hr = np.random.default_rng(2).uniform(0, 255, (4, 7 * scale, 7 * scale)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["hr"] = hr
        file["lr"] = hr if srcnn else hr[:, ::scale, ::scale]


def image_file(path, scale=SCALE):
    hr = np.random.default_rng(3).uniform(0, 255, (9 * scale, 8 * scale)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file["lr/0"], file["hr/0"] = hr[::scale, ::scale], hr


@pytest.fixture
def files(tmp_path):
    """A mirror that holds HDF5 files."""
    folder = tmp_path / "files"
    patch_file(folder / f"91-image_x{SCALE}.h5")
    image_file(folder / f"Set5_x{SCALE}.h5")
    return folder


@pytest.fixture
def served(files):
    """The base URL of a server of `files`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=files)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_pictures_become_both_protocols(target, pictures):
    assert target.prepare(mirror=pictures) == ["Set5_reference.h5", "Set5_standard.h5"]
    trained = list(hdf5.read_pairs(target.train, SCALE))
    assert len(trained) == 2 * 20
    assert {pair.image for pair in trained} == {"t1", "t2"}
    assert hdf5.attributes(target.train)["source"] == "91-image"
    for protocol in ("reference", "standard"):
        shown = list(hdf5.read_pairs(target.evaluation / f"Set5_{protocol}.h5", SCALE))
        assert [pair.image for pair in shown] == ["baby", "bird"]
        assert shown[0].hr.shape == (27, 30)


def test_set14_is_taken_when_at_hand(target, pictures):
    paint(pictures / "Set14", ["zebra"])
    assert len(target.prepare(mirror=pictures)) == 4


def test_files_of_a_mirror_are_copied_and_annotated(target, files):
    assert target.prepare(mirror=files) == ["Set5_reference.h5"]
    assert hdf5.describe(target.train, SCALE).layout == "patches"
    assert hdf5.attributes(target.train)["made"] == "as published"
    assert (files / f"91-image_x{SCALE}.h5").exists()
    with h5py.File(files / f"91-image_x{SCALE}.h5") as file:
        assert not file.attrs  # the mirror's own file is left as it was


def test_files_come_over_http_and_are_not_kept_twice(target, served):
    assert target.prepare(mirror=f"{served}/") == ["Set5_reference.h5"]
    assert len(next(iter(hdf5.read_patches(target.train, SCALE)))[0]) == 4
    assert list(target.downloads.glob("*.h5")) == []


def test_published_links_are_the_last_resort(target, served, files, monkeypatch):
    monkeypatch.setattr(sources, "HOST", served)
    for name in ("91-image", "Set5"):
        folder = files / LINKS["fsrcnn"][name][SCALE]
        folder.mkdir()
        shutil.move(files / f"{name}_x{SCALE}.h5", folder)
    assert target.prepare() == ["Set5_reference.h5"]


def test_srcnn_layout_is_rebuilt_with_a_warning(target, files, caplog):
    patch_file(files / f"91-image_x{SCALE}.h5", srcnn=True)
    target.prepare(mirror=files)
    assert "SRCNN layout" in caplog.text
    ((lr, hr),) = hdf5.read_patches(target.train, SCALE)
    assert (lr.shape, hr.shape) == ((4, 7, 7), (4, 21, 21))


def test_the_variable_wins(target, pictures, monkeypatch):
    monkeypatch.setenv(sources.MIRROR_VARIABLE, str(pictures))
    assert len(target.prepare(mirror="no/such/folder")) == 2


def test_same_source_gives_the_same_bytes(target, pictures):
    target.prepare(mirror=pictures)
    first = target.train.read_bytes()
    target.prepare(mirror=pictures)
    assert target.train.read_bytes() == first


def test_unreachable_says_what_to_do_and_leaves_nothing(target):
    with pytest.raises(InputError) as caught:
        target.prepare()
    message = str(caught.value)
    assert "\n" not in message
    link = f"http://127.0.0.1:1/s/{LINKS['fsrcnn']['91-image'][SCALE]}/91-image_x{SCALE}.h5?dl=1"
    for part in (link, "data.mirror", "FSRCNN_MIRROR", "data.source=sample"):
        assert part in message
    assert not target.train.exists()
    assert not target.evaluation.exists()


def test_missing_mirror_folder_is_an_error(target):
    with pytest.raises(InputError, match="no/such/folder is not a folder"):
        target.prepare(mirror="no/such/folder")


def test_file_of_another_scale_is_refused(target, files):
    patch_file(files / f"91-image_x{SCALE}.h5", scale=2)
    with pytest.raises(InputError, match="made for another scale"):
        target.prepare(mirror=files)
    assert not target.train.exists()


def test_patches_are_no_evaluation_file(target, files):
    patch_file(files / f"Set5_x{SCALE}.h5")
    with pytest.raises(InputError, match="Set5 needs whole images"):
        target.prepare(mirror=files)


def test_bundled_photographs(target):
    assert target.prepare(source="sample", scale=4) == ["sample_reference.h5", "sample_standard.h5"]
    trained = {pair.image for pair in hdf5.read_pairs(target.train, 4)}
    shown = {pair.image for pair in hdf5.read_pairs(target.evaluation / "sample_reference.h5", 4)}
    assert len(trained) == 8
    assert len(shown) == 3
    assert not trained & shown
    assert hdf5.attributes(target.train)["source"] == "sample"


def test_links_are_two_sets_of_six():
    for sets in LINKS.values():
        assert {name: sorted(scales) for name, scales in sets.items()} == {
            "91-image": [2, 3, 4],
            "Set5": [2, 3, 4],
        }
    keys = [key for sets in LINKS.values() for scales in sets.values() for key in scales.values()]
    assert len(set(keys)) == 12


def test_real_set5(target, mirror, tmp_path):
    paint(tmp_path / "some" / "91-image", ["t1"])
    (tmp_path / "some" / "Set5").symlink_to(mirror / "Set5")
    target.prepare(mirror=tmp_path / "some", scale=4)
    for protocol in ("reference", "standard"):
        pairs = list(hdf5.read_pairs(target.evaluation / f"Set5_{protocol}.h5", 4))
        assert [pair.image.split("_")[0] for pair in pairs] == ["baby", "bird", "butterfly", "head", "woman"]
        assert [pair.hr.shape for pair in pairs] == [
            (512, 512),
            (288, 288),
            (256, 256),
            (280, 280),
            (344, 228),
        ]
        assert pairs[0].lr.shape == (128, 128)
