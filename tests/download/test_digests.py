import json
import os

import pytest

from fsrcnn.download import digests
from fsrcnn.download.digests import FileDigests, fingerprint
from fsrcnn.download.sources import Source, Sources
from fsrcnn.files import sha256


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "mirror/own"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png", "c.bmp"):
        (folder / name).write_bytes(name.encode())
    (folder / "notes.txt").write_text("no picture")
    return folder


def found(folder, cache):
    return fingerprint(Sources([Source("own", pictures=folder)], []), FileDigests(cache))["train"]["own"]


def test_pictures_count_by_their_contents(tmp_path, pictures):
    first = found(pictures, tmp_path / "none.json")
    assert first["pictures"]["count"] == 3
    (pictures / "a.png").rename(pictures / "z.png")
    (pictures / "notes.txt").write_text("other")
    assert found(pictures, tmp_path / "none.json") == first
    (pictures / "z.png").write_bytes(b"other")
    assert found(pictures, tmp_path / "none.json") != first
    (pictures / "z.png").unlink()
    assert found(pictures, tmp_path / "none.json")["pictures"]["count"] == 2


def test_no_path_of_this_machine_is_in_it(tmp_path, pictures):
    file = tmp_path / "Set5_x4.h5"
    file.write_bytes(b"file")
    sources = Sources(
        [Source("own", pictures=pictures)],
        [Source("Set5", file=file), Source("far", urls=("https://example.com/far_x4.h5",)), Source("Set14")],
    )
    result = fingerprint(sources, FileDigests(tmp_path / "none.json"))
    assert str(tmp_path) not in json.dumps(result)
    assert result["evaluation"] == {
        "Set5": {"file": {"sha256": sha256(file)}},
        "far": {"urls": ["https://example.com/far_x4.h5"]},
        "Set14": {},
    }


def test_only_what_changed_is_read_again(tmp_path, pictures, monkeypatch):
    read = []
    monkeypatch.setattr(digests, "sha256", lambda path: read.append(path.name) or sha256(path))
    cache = tmp_path / "digests.json"

    def all_of_them():
        read.clear()
        known = FileDigests(cache)
        values = [known.of(path) for path in sorted(pictures.glob("[abc].*"))]
        known.save()
        return values

    before = all_of_them()
    assert read == ["a.png", "b.png", "c.bmp"]
    assert (all_of_them(), read) == (before, [])
    (pictures / "b.png").write_bytes(b"other")
    os.utime(pictures / "b.png", ns=(1, 1))
    after = all_of_them()
    assert read == ["b.png"]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]
    (pictures / "a.png").unlink()
    all_of_them()
    assert len(json.loads(cache.read_text())) == 2
