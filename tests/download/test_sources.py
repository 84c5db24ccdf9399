from pathlib import Path

import pytest

from fsrcnn.download.sources import Source, locate
from fsrcnn.errors import InputError
from fsrcnn.settings import DataSettings

DATA = {
    "source": "published",
    "train": ["91-image"],
    "evaluation": ["Set5", "Set14"],
    "links": "fsrcnn",
    "mirror": "",
    "degradation": "none",
}


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch):
    monkeypatch.delenv("FSRCNN_MIRROR", raising=False)


def found(root, scale=4, **changes):
    return locate(DataSettings.parse("data", DATA | changes), scale, root)


def refused(root, **changes):
    with pytest.raises(InputError) as caught:
        found(root, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def folders(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
    return root


def test_names_are_looked_for_in_the_mirror(tmp_path):
    mirror = folders(tmp_path / "mirror", "General-100", "Set5")
    (mirror / "Set5_x3.h5").touch()
    sources = found(tmp_path, 3, mirror=str(mirror), train=["General-100"])
    assert sources.train == [Source("General-100", pictures=mirror / "General-100")]
    assert sources.evaluation == [
        Source("Set5", pictures=mirror / "Set5", file=mirror / "Set5_x3.h5"),
        Source("Set14", optional=True),
    ]


def test_links_stand_in_for_what_is_not_there(tmp_path):
    sources = found(tmp_path, 2, mirror="https://example.com/sets/")
    assert [source.urls for source in (*sources.train, *sources.evaluation)] == [
        (
            "https://example.com/sets/91-image_x2.h5",
            "https://www.dropbox.com/s/01z95js39kgw1qv/91-image_x2.h5?dl=1",
        ),
        ("https://example.com/sets/Set5_x2.h5", "https://www.dropbox.com/s/4kzqmtqzzo29l1x/Set5_x2.h5?dl=1"),
        ("https://example.com/sets/Set14_x2.h5",),
    ]
    assert [source.optional for source in sources.evaluation] == [False, True]


def test_paths(tmp_path, monkeypatch):
    """Relative ones count from the main repository, wherever a stage runs; an .h5 file is of one scale."""
    monkeypatch.setenv("HOME", str(folders(tmp_path / "home", "shots")))
    root = folders(tmp_path / "root", "my/pictures", "files")
    for name in ("mine_x4.h5", "mine_x3.h5", "other.h5"):
        (root / "files" / name).touch()
    asked = {"train": ["files/mine_x4.h5", "my/pictures/"], "evaluation": ["~/shots", "files/other.h5"]}
    sources = found(root, 3, **asked)
    assert sources.train == [
        Source("mine", file=root / "files/mine_x3.h5"),
        Source("pictures", pictures=root / "my/pictures"),
    ]
    assert sources.evaluation == [
        Source("shots", pictures=tmp_path / "home/shots"),
        Source("other", file=root / "files/other.h5"),
    ]


def test_training_sets_come_by_name_and_evaluation_sets_as_asked_for(tmp_path):
    mirror = str(folders(tmp_path, "a", "b", "c"))
    sources = found(tmp_path, mirror=mirror, train=["b", "a"], evaluation=["c", "b"])
    assert [source.name for source in sources.train] == ["a", "b"]
    assert [source.name for source in sources.evaluation] == ["c", "b"]


def test_sample_is_one_set_of_each_whatever_the_lists_say(tmp_path):
    sources = found(tmp_path, source="sample", train=["no/such"], mirror="no/such")
    assert [source.name for source in (*sources.train, *sources.evaluation)] == ["sample", "sample"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": ["General-100"]}, "data.train: General-100 is not at hand; set data.mirror"),
        ({"evaluation": ["Set14", "B100"]}, "data.evaluation: none of Set14, B100 is at hand"),
        ({"train": ["no/such"]}, "data.train: {root}/no/such: no such folder or .h5 file"),
        ({"evaluation": ["mine.h5"]}, "data.evaluation: {root}/mine.h5: no such folder or .h5 file"),
        ({"train": ["x/Own", "own"]}, "data.train: two sets are called Own"),
        ({"train": ["a+b"]}, "data.train: 'a+b' can't name a set"),
        ({"train": [".hidden"]}, "data.train: '.hidden' can't name a set"),
        ({"evaluation": ["Set5", "x/train_data"]}, "data.evaluation: 'train_data' can't name a set"),
        ({"evaluation": ["Set5", "x/degraded"]}, "data.evaluation: 'degraded' can't name a set"),
        ({"evaluation": ["Set5", ""]}, "data.evaluation: '' can't name a set"),
    ],
)
def test_what_is_refused(tmp_path, changes, message):
    mirror = folders(tmp_path / "mirror", "own", "a+b", ".hidden")
    folders(tmp_path, "x/Own", "x/train_data", "x/degraded")
    assert message.format(root=tmp_path) in refused(tmp_path, mirror=str(mirror), **changes)


def test_a_relative_mirror_counts_from_the_main_repository(tmp_path):
    folders(tmp_path, "mirror/91-image")
    assert found(tmp_path, mirror="mirror").train[0].pictures == Path(tmp_path, "mirror/91-image")
