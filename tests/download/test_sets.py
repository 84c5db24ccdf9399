import logging
import socket
import threading
import weakref
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from fsrcnn.data import hdf5
from fsrcnn.download import links, samples, sets
from fsrcnn.download.fetch import fetch
from fsrcnn.download.folder import read_folder
from fsrcnn.download.sets import prepare
from fsrcnn.download.sources import locate
from fsrcnn.errors import InputError
from fsrcnn.evaluation.scores import evaluate
from fsrcnn.settings import DataSettings
from tests.download.test_sources import DATA
from tests.published_layout import write_published

SIZES = {"91-image": [(40, 52), (33, 47), (61, 30)], "Set5": [(41, 50), (36, 24)], "Set14": [(30, 30)]}
# The paths of the published links, from the repositories that publish them.
PUBLISHED = {
    ("fsrcnn", 2): ("01z95js39kgw1qv", "4kzqmtqzzo29l1x"),
    ("fsrcnn", 3): ("qx4swlt2j7u4twr", "kyhbhyc5a0qcgnp"),
    ("fsrcnn", 4): ("vobvi2nlymtvezb", "ihtv1acd48cof14"),
    ("srcnn", 2): ("2hsah93sxgegsry", "r8qs6tp395hgh8g"),
    ("srcnn", 3): ("curldmdf11iqakd", "58ywjac4te3kbqq"),
    ("srcnn", 4): ("22afykv4amfxeio", "0rz86yn3nnrodlb"),
}


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.asked.append(self.path.lstrip("/"))
        super().do_GET()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder that a server on this machine hands out, its address, and what was asked of it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    server.asked = []
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}", server.asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def unreachable(monkeypatch):
    """No test reaches the published links: their host is a closed port, and one attempt is enough."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.delenv("FSRCNN_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(links, "HOST", f"http://127.0.0.1:{port}/s")
    monkeypatch.setattr(sets, "fetch", partial(fetch, attempts=1, timeout=5))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data"


def run(out, scale=4, **changes):
    """The path of the first training file, and the folder of the evaluation files."""
    changes = {key: str(value) if key == "mirror" else value for key, value in changes.items()}
    settings = DataSettings.parse("data", DATA | changes)
    sources = locate(settings, scale, out)
    folder = out / f"x{scale}"
    prepare(sources, scale, folder / "train", folder / "evaluation", out / "downloads")
    return folder / "train" / f"{sources.train[0].name}.h5", folder / "evaluation"


def refused(out, scale=4, **changes):
    with pytest.raises(InputError) as caught:
        run(out, scale, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def files(folder):
    """Of the locks only that they are files."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return [str(path.relative_to(folder)) for path in found]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(16, 235, shape).astype(np.float32)


def pictures(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
        for i, (width, height) in enumerate(SIZES[name]):
            pixels = np.random.default_rng(i).integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}_{i}.png")
    return folder


def train_file(path, scale=4, srcnn=False, seed=0):
    """Patches of the published layouts; returns hr."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = 32 if srcnn else 8
    large = 32 if srcnn else 8 * scale
    hr = noise(6, large, large, seed=seed)
    with h5py.File(path, "w") as file:
        file["lr"], file["hr"] = noise(6, small, small, seed=seed + 1), hr
    return hr


def evaluation_file(path, scale=4, srcnn=False, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    hr = [noise(12 * scale, (10 + i) * scale, seed=seed + i) for i in range(5)]
    with h5py.File(path, "w") as file:
        for i, y in enumerate(hr):
            file[f"hr/{i}"] = y
            file[f"lr/{i}"] = y if srcnn else y[::scale, ::scale]
    return hr


def published(folder, scale=4, srcnn=False, seed=0):
    """The two files of a mirror; returns the hr of both."""
    return (
        train_file(folder / f"91-image_x{scale}.h5", scale, srcnn, seed),
        evaluation_file(folder / f"Set5_x{scale}.h5", scale, srcnn, seed),
    )


def same(path, hr, scale=4):
    """Whether a file holds these images or patches, whatever its lr."""
    if isinstance(hr, list):
        found = [pair.hr for pair in hdf5.read_pairs(path, scale)]
    else:
        found = [large for _, block in hdf5.read_patches(path, scale) for large in block]
    return len(found) == len(hr) and all(np.array_equal(a, b) for a, b in zip(found, hr, strict=True))


def test_pictures_become_both_protocols_and_are_kept_to_train_on(tmp_path, out):
    train, evaluation = run(out, 3, mirror=pictures(tmp_path / "mirror", "91-image", "Set5"))
    assert files(out) == [
        "x3/evaluation/Set5_reference.h5",
        "x3/evaluation/Set5_standard.h5",
        "x3/evaluation/pictures/Set5.h5",
        "x3/train/91-image.h5",
    ]
    for i, (name, pixels) in enumerate(hdf5.read_pictures(train)):
        with Image.open(tmp_path / f"mirror/91-image/91-image_{i}.png") as picture:
            assert name == f"91-image_{i}"
            np.testing.assert_array_equal(pixels, np.asarray(picture))
    assert hdf5.attributes(train) == {
        "source": "91-image",
        "layout": "pictures",
        "made": "pictures of 91-image, as 8-bit RGB",
    }
    with Image.open(tmp_path / "mirror/Set5/Set5_0.png") as picture:  # 41 x 50
        fitted = {
            "reference": picture.resize((39, 48), Image.Resampling.BICUBIC),
            "standard": picture.crop((0, 0, 39, 48)),
        }
    for protocol, image in fitted.items():
        found = list(hdf5.read_pairs(evaluation / f"Set5_{protocol}.h5", 3))
        assert [pair.image for pair in found] == ["Set5_0", "Set5_1"]
        for y, expected in (
            (found[0].hr, image),
            (found[0].lr, image.resize((13, 16), Image.Resampling.BICUBIC)),
        ):
            rgb = np.asarray(expected, np.float64)
            weighed = 16 + rgb @ [64.738 / 256, 129.057 / 256, 25.064 / 256]
            np.testing.assert_allclose(y, weighed, atol=3e-5)
        assert hdf5.attributes(evaluation / f"Set5_{protocol}.h5")["source"] == "Set5"
    ((_, first), _) = hdf5.read_pictures(evaluation / "pictures/Set5.h5")
    np.testing.assert_array_equal(first, np.asarray(picture))


def test_the_optional_set_is_taken_where_the_mirror_has_it(tmp_path, out):
    run(out, 4, mirror=pictures(tmp_path / "mirror", *SIZES))
    names = {f"x4/evaluation/{name}_{p}.h5" for name in ("Set5", "Set14") for p in ("reference", "standard")}
    kept = {f"x4/evaluation/pictures/{name}.h5" for name in ("Set5", "Set14")}
    assert set(files(out)) == {"x4/train/91-image.h5", *names, *kept}


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_hdf5_files_of_a_mirror_are_adopted_and_left_there(tmp_path, out, scale):
    mirror = tmp_path / "mirror"
    train_hr, evaluation_hr = published(mirror, scale)
    before = {path: path.read_bytes() for path in mirror.iterdir()}
    train, evaluation = run(out, scale, mirror=mirror)
    assert same(train, train_hr, scale)
    assert same(evaluation / "Set5_reference.h5", evaluation_hr, scale)
    # Without the pictures there is no cropped protocol.
    assert files(out) == [f"x{scale}/evaluation/Set5_reference.h5", f"x{scale}/train/91-image.h5"]
    assert hdf5.attributes(train) == {
        "source": "91-image",
        "scale": scale,
        "layout": "patches",
        "made": "as published",
    }
    assert {path: path.read_bytes() for path in mirror.iterdir()} == before


def test_published_patches_become_pictures(tmp_path, out, caplog):
    mirror = tmp_path / "mirror"
    published(mirror)
    file = mirror / "91-image_x4.h5"
    write_published(file, samples.photographs(("rocket.jpg",), 170), 4)
    before = file.read_bytes()
    train, _ = run(out, mirror=mirror)
    pairs = list(hdf5.read_pairs(train, 4))
    assert [(pair.image, pair.variant) for pair in pairs[:2]] == [("0000", "1.0 0"), ("0000", "1.0 90")]
    assert hdf5.attributes(train)["made"] == "published patches put back together into 20 pictures"
    assert file.read_bytes() == before
    assert not [record for record in caplog.records if file.name in record.getMessage()]


def test_patches_that_make_no_pictures_are_kept(tmp_path, out, caplog):
    train_hr, _ = published(tmp_path / "mirror")
    train, _ = run(out, mirror=tmp_path / "mirror")
    assert same(train, train_hr)
    warned = [record for record in caplog.records if "91-image_x4.h5" in record.getMessage()]
    assert [record.levelno for record in warned] == [logging.WARNING]
    assert "the patches are kept as they are" in warned[0].getMessage()


def test_hdf5_files_in_the_srcnn_layout_are_rebuilt(tmp_path, out, caplog):
    train_hr, evaluation_hr = published(tmp_path / "mirror", srcnn=True)
    train, evaluation = run(out, mirror=tmp_path / "mirror")
    assert hdf5.describe(train, 4) == ("patches", False, 6)
    assert same(train, train_hr)
    assert same(evaluation / "Set5_reference.h5", evaluation_hr)
    for path in (train, evaluation / "Set5_reference.h5"):
        assert "rebuilt" in hdf5.attributes(path)["made"]
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.split(":")[0] for line in warned if "SRCNN" in line] == ["Set5_x4.h5", "91-image_x4.h5"]


def test_a_file_goes_before_pictures_where_both_would_do(tmp_path, out):
    mirror = pictures(tmp_path / "mirror", "91-image", "Set5")
    train_hr, evaluation_hr = published(mirror)
    train, evaluation = run(out, mirror=mirror)
    assert same(train, train_hr)
    assert same(evaluation / "Set5_reference.h5", evaluation_hr)
    standard = list(hdf5.read_pairs(evaluation / "Set5_standard.h5", 4))
    assert [pair.image for pair in standard] == ["Set5_0", "Set5_1"]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("srcnn", [False, True])
def test_base_url(served, out, slash, srcnn):
    folder, address, asked = served
    train_hr, evaluation_hr = published(folder / "sets", srcnn=srcnn)
    train, evaluation = run(out, mirror=f"{address}/sets{slash}")
    assert asked == ["sets/91-image_x4.h5", "sets/Set5_x4.h5", "sets/Set14_x4.h5"]
    assert same(train, train_hr)
    assert same(evaluation / "Set5_reference.h5", evaluation_hr)
    # The raw files are gone: nothing is on the disk twice.
    assert [name for name in files(out) if not name.endswith(".sha256.json")] == [
        "x4/evaluation/Set5_reference.h5",
        "x4/train/91-image.h5",
    ]


@pytest.mark.parametrize(("group", "scale"), PUBLISHED)
@pytest.mark.parametrize("mirror", [False, True])
def test_published_links(served, out, monkeypatch, group, scale, mirror):
    folder, address, asked = served
    monkeypatch.setattr(links, "HOST", f"{address}/s")
    train_id, set5_id = PUBLISHED[group, scale]
    train_hr = train_file(folder / "s" / train_id / f"91-image_x{scale}.h5", scale)
    evaluation_hr = evaluation_file(folder / "s" / set5_id / f"Set5_x{scale}.h5", scale)
    paths = [f"s/{train_id}/91-image_x{scale}.h5?dl=1", f"s/{set5_id}/Set5_x{scale}.h5?dl=1"]
    if mirror:  # a mirror that has nothing: the links stand in for it
        train, evaluation = run(out, scale, links=group, mirror=f"{address}/empty")
        names = [f"empty/{name}_x{scale}.h5" for name in ("91-image", "Set5", "Set14")]
        assert asked == [names[0], paths[0], names[1], paths[1], names[2]]
    else:
        train, evaluation = run(out, scale, links=group)
        assert asked == paths
    assert same(train, train_hr, scale)
    assert same(evaluation / "Set5_reference.h5", evaluation_hr, scale)
    assert [name for name in files(out / "downloads") if not name.endswith(".sha256.json")] == []


def test_pictures_and_a_published_link_together(tmp_path, served, out, monkeypatch):
    folder, address, asked = served
    monkeypatch.setattr(links, "HOST", f"{address}/s")
    evaluation_hr = evaluation_file(folder / "s/ihtv1acd48cof14/Set5_x4.h5")
    _, evaluation = run(out, mirror=pictures(tmp_path / "mirror", "91-image"))
    assert same(evaluation / "Set5_reference.h5", evaluation_hr)
    assert asked == ["s/ihtv1acd48cof14/Set5_x4.h5?dl=1"]
    assert files(out / "downloads") == ["Set5_x4.h5.sha256.json"]


def test_the_variable_goes_before_the_parameter(tmp_path, out, monkeypatch):
    published(tmp_path / "parameter", seed=1)
    train_hr, evaluation_hr = published(tmp_path / "variable", seed=2)
    monkeypatch.setenv("FSRCNN_MIRROR", str(tmp_path / "variable"))
    train, evaluation = run(out, mirror=tmp_path / "parameter")
    assert same(train, train_hr)
    assert same(evaluation / "Set5_reference.h5", evaluation_hr)


@pytest.mark.parametrize("by", ["variable", "parameter"])
def test_mirror_folder_that_is_not_there(tmp_path, out, monkeypatch, by):
    missing = tmp_path / "nowhere"
    if by == "variable":
        monkeypatch.setenv("FSRCNN_MIRROR", str(missing))
    message = refused(out, mirror=missing if by == "parameter" else "")
    assert "data.mirror or FSRCNN_MIRROR" in message
    assert f"{missing} is not a folder" in message
    assert not (out / "x4/train/91-image.h5").exists()


def test_nothing_can_be_reached(out):
    message = refused(out)
    assert f"{links.HOST}/vobvi2nlymtvezb/91-image_x4.h5?dl=1" in message
    assert "refused after 1 attempts" in message
    assert "data.mirror or FSRCNN_MIRROR" in message
    assert "data.source=sample" in message
    assert [name for name in files(out) if not name.endswith(".sha256.json")] == []


def test_every_address_that_failed_is_named(served, out):
    _, address, asked = served
    message = refused(out, mirror=address)
    assert f"{address}/91-image_x4.h5: HTTP 404" in message
    assert f"{links.HOST}/vobvi2nlymtvezb/91-image_x4.h5?dl=1: " in message
    assert asked == ["91-image_x4.h5"]


@pytest.mark.parametrize(
    ("name", "write", "reason"),
    [
        ("91-image", lambda path: path.write_bytes(b"not HDF5" * 100), "not a readable HDF5 file"),
        ("91-image", lambda path: path.write_bytes(b"<html>Sign in</html>"), "web page"),
        ("91-image", lambda path: train_file(path, scale=3), "is not 4 times"),
        ("Set5", lambda path: evaluation_file(path, scale=2), "is not 4 times"),
        ("Set5", train_file, "holds patches, where Set5 needs whole images"),
    ],
    ids=["no HDF5", "a page", "train of another scale", "Set5 of another scale", "Set5 as patches"],
)
@pytest.mark.parametrize("url", [False, True])
def test_a_wrong_file_is_refused(served, out, name, write, reason, url):
    folder, address, _ = served
    published(folder)
    wrong = folder / f"{name}_x4.h5"
    write(wrong)
    message = refused(out, mirror=address if url else folder)
    if url:
        assert f"{address}/{name}_x4.h5: " in message
        assert reason in message
        assert "data.source=sample" in message
    else:
        assert message.startswith(f"{wrong}: ")
        assert reason in message or reason == "web page"
    assert not (
        out / ("x4/train/91-image.h5" if name == "91-image" else "x4/evaluation/Set5_reference.h5")
    ).exists()
    assert f"{name}_x4.h5" not in files(out / "downloads")


def test_a_wrong_file_of_the_mirror_is_replaced_by_the_link(served, out, monkeypatch):
    folder, address, _ = served
    monkeypatch.setattr(links, "HOST", f"{address}/s")
    published(folder)
    train_file(folder / "91-image_x4.h5", scale=3)
    train_hr = train_file(folder / "s/vobvi2nlymtvezb/91-image_x4.h5", seed=5)
    train, _ = run(out, mirror=address)
    assert same(train, train_hr)


def test_a_raw_file_from_an_earlier_run_is_used_and_removed(served, out):
    folder, address, asked = served
    published(folder)
    train_hr = train_file(out / "downloads/91-image_x4.h5", seed=7)
    train, _ = run(out, mirror=address)
    assert same(train, train_hr)
    assert asked == ["Set5_x4.h5", "Set14_x4.h5"]
    assert not (out / "downloads/91-image_x4.h5").exists()


@pytest.mark.parametrize(
    "write", [lambda path: train_file(path, scale=2), lambda path: path.write_bytes(b"half a file")]
)
def test_a_raw_file_that_is_wrong_is_fetched_again(served, out, write, caplog):
    folder, address, asked = served
    train_hr, _ = published(folder)
    raw = out / "downloads/91-image_x4.h5"
    raw.parent.mkdir(parents=True)
    write(raw)
    train, _ = run(out, mirror=address)
    assert same(train, train_hr)
    assert asked[0] == "91-image_x4.h5"
    assert any(str(raw) in record.getMessage() for record in caplog.records)
    assert not raw.exists()


def test_a_mirror_that_is_the_download_folder_keeps_its_files(out):
    train_hr, _ = published(out / "downloads")
    train, _ = run(out, mirror=out / "downloads")
    assert same(train, train_hr)
    assert files(out / "downloads") == ["91-image_x4.h5", "Set5_x4.h5"]


def test_sample_needs_no_mirror_and_no_link(tmp_path, out, monkeypatch):
    monkeypatch.setenv("FSRCNN_MIRROR", str(tmp_path / "nowhere"))  # the way out when there is none
    train, evaluation = run(out, source="sample")
    assert files(out) == [
        "x4/evaluation/pictures/sample.h5",
        "x4/evaluation/sample_reference.h5",
        "x4/evaluation/sample_standard.h5",
        "x4/train/sample.h5",
    ]
    trained = {name for name, _ in hdf5.read_pictures(train)}
    assert trained == {name.rsplit(".", 1)[0] for name in samples.TRAIN}
    for path in evaluation.glob("*.h5"):
        evaluated = {pair.image for pair in hdf5.read_pairs(path, 4)}
        assert evaluated == {"chelsea", "coffee", "coins"}
        assert trained.isdisjoint(evaluated)
        assert hdf5.attributes(path)["source"] == "sample"
    assert hdf5.attributes(train)["source"] == "sample"


def test_own_pictures_have_files_of_their_own_name(tmp_path, out):
    pictures(tmp_path, "91-image", "Set5", "Set14")
    asked = {"train": [f"{tmp_path}/Set14", f"{tmp_path}/91-image"], "evaluation": [f"{tmp_path}/Set5"]}
    run(out, **asked)
    assert files(out / "x4") == [
        "evaluation/Set5_reference.h5",
        "evaluation/Set5_standard.h5",
        "evaluation/pictures/Set5.h5",
        "train/91-image.h5",
        "train/Set14.h5",
    ]
    run(out, **asked | {"train": [f"{tmp_path}/91-image"], "evaluation": [f"{tmp_path}/Set14"]})
    assert files(out / "x4") == [
        "evaluation/Set14_reference.h5",
        "evaluation/Set14_standard.h5",
        "evaluation/pictures/Set14.h5",
        "train/91-image.h5",
    ]


def test_pictures_are_not_in_memory_together(tmp_path, out, monkeypatch):
    mirror = pictures(tmp_path / "mirror", "91-image", "Set5")
    seen, most = [], []

    def watched(folder):
        for name, image in read_folder(folder):
            seen.append(weakref.ref(image))
            most.append(sum(each() is not None for each in seen))
            yield name, image
            del image

    monkeypatch.setattr(sets, "read_folder", watched)
    run(out, mirror=mirror)
    assert max(most) <= 2  # the next one is read while the last one still has its name


def test_a_set_that_is_not_at_hand_is_left_out_with_a_line(tmp_path, out, caplog):
    run(out, mirror=pictures(tmp_path / "mirror", "91-image", "Set5"))
    assert "data.evaluation: Set14 is not at hand and left out" in caplog.messages


def test_no_set_is_left_to_evaluate_on(served, tmp_path, out):
    folder, address, _ = served
    published(folder)
    assert "no set is left to evaluate on" in refused(out, mirror=address, evaluation=["B100"])


def test_a_picture_in_both_kinds_of_sets_is_refused_by_name(tmp_path, out):
    """Whatever it is called and however it is stored; and what was there before stays."""
    mirror = pictures(tmp_path / "mirror", "91-image", "Set5")
    run(out, mirror=mirror)
    before = {path: path.read_bytes() for path in out.rglob("*.h5")}
    with Image.open(mirror / "Set5/Set5_1.png") as picture:
        picture.save(mirror / "91-image/other.bmp")
    message = refused(out, mirror=mirror)
    assert message.startswith(
        "91-image/other, to train on, is the same picture as Set5/Set5_1, to evaluate on"
    )
    assert {path: path.read_bytes() for path in (out / "x4/train").iterdir()}.items() <= before.items()


def test_whole_images_of_files_are_compared_too(tmp_path, out):
    mirror = tmp_path / "mirror"
    evaluation_file(mirror / "Set5_x4.h5", seed=3)
    evaluation_file(mirror / "91-image_x4.h5", seed=3)
    message = refused(out, mirror=mirror)
    assert "image 0 of 91-image, to train on, is the same picture as image 0 of Set5" in message


@pytest.mark.parametrize(("scale", "smallest"), [(2, 16), (3, 18), (4, 20)])
def test_a_picture_too_small_to_be_scored(tmp_path, out, scale, smallest):
    mirror = pictures(tmp_path / "mirror", "91-image", "Set5")
    Image.new("RGB", (smallest, smallest)).save(mirror / "Set5/small.png")
    _, evaluation = run(out, scale, mirror=mirror)
    score, *_ = evaluate(evaluation, scale, {}, torch.device("cpu"))
    assert 0 < score.ssim < 1
    Image.new("RGB", (smallest - 1, 90)).save(mirror / "Set5/small.png")
    message = refused(out, scale, mirror=mirror)
    assert f"Set5/small: {smallest - 1}x90 pixels are too few to be scored at x{scale}" in message
    assert f"takes {smallest} on each side" in message


def test_an_image_of_a_file_too_small_to_be_scored(tmp_path, out):
    mirror = tmp_path / "mirror"
    train_file(mirror / "91-image_x4.h5")
    with h5py.File(mirror / "Set5_x4.h5", "w") as file:
        file["hr/0"], file["lr/0"] = noise(8, 40), noise(2, 10)
    assert "image 0 of Set5: 40x8 pixels are too few to be scored" in refused(out, mirror=mirror)


def test_set5_at_x4(mirror, tmp_path, out):
    few = tmp_path / "mirror"
    (few / "91-image").mkdir(parents=True)
    (few / "91-image/t1.bmp").symlink_to(mirror / "91-image/t1.bmp")
    (few / "Set5").symlink_to(mirror / "Set5")
    train, evaluation = run(out, mirror=few)
    assert hdf5.describe(train, 4).images == 1
    shapes = {
        "baby": (128, 128),
        "bird": (72, 72),
        "butterfly": (64, 64),
        "head": (70, 70),
        "woman": (86, 57),
    }
    for protocol in ("reference", "standard"):
        found = list(hdf5.read_pairs(evaluation / f"Set5_{protocol}.h5", 4))
        assert [(pair.image, pair.lr.shape) for pair in found] == [
            (f"{name}_GT", shape) for name, shape in shapes.items()
        ]
        assert all(pair.hr.shape == (4 * pair.lr.shape[0], 4 * pair.lr.shape[1]) for pair in found)


@pytest.mark.parametrize(
    ("key", "value"), [("source", "web"), ("links", "other"), ("mirror", None), ("mirorr", "")]
)
def test_settings_are_checked(key, value):
    values = DATA | {key: value}
    with pytest.raises(InputError, match=rf"params\.yaml: data\.{key}: "):
        DataSettings.parse("data", values)
