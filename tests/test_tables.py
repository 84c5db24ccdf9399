"""The README shows the figures that are recorded."""

import json
import shutil

import pytest
import tables


@pytest.fixture
def records(tmp_path, monkeypatch):
    shutil.copytree(tables.ROOT / "metrics", tmp_path / "metrics")
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    return tmp_path / "metrics"


def test_readme_is_what_the_records_say():
    text = (tables.ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"<!-- {name} -->" in text for name in tables.BLOCKS)
    assert tables.filled(text) == text


def test_a_new_record_changes_the_tables(records):
    before = {name: block() for name, block in tables.BLOCKS.items()}
    path = records / "record/x4.json"
    record = json.loads(path.read_text())
    for protocols in (record["evaluate"]["Set5"], record["evaluate"]["Set14"]):
        for methods in protocols.values():
            methods["scratch"]["psnr"] = 41.2345
    record["benchmark"]["backends"]["native"]["frames_per_second"] = 987.6
    path.write_text(json.dumps(record))
    for name, block in tables.BLOCKS.items():
        assert block() != before[name]
        assert ("988" if name == "inference" else "41.23") in block()
