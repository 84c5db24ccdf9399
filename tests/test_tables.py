"""The pages show the figures that are recorded."""

import json
import shutil

import pytest
import tables

from fsrcnn.limits import SCALES
from fsrcnn.network.weights import released


@pytest.fixture
def records(tmp_path, monkeypatch):
    shutil.copytree(tables.ROOT / "metrics", tmp_path / "metrics")
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    return tmp_path / "metrics"


def test_pages_are_what_the_records_say():
    pages = [(tables.ROOT / page).read_text(encoding="utf-8") for page in tables.PAGES]
    assert all(any(f"<!-- {name} -->" in text for text in pages) for name in tables.BLOCKS)
    for text in pages:
        assert tables.filled(text) == text


def test_the_report_names_the_released_networks():
    """DVC does not watch them, so that nothing else would say that the report is of former ones."""
    reached = [released(scale, "clean").metadata["psnr_Set5_standard"] for scale in SCALES]
    report = (tables.ROOT / "metrics/report.md").read_text(encoding="utf-8")
    assert f"| 12,464 | 91-image | {' | '.join(reached)} |" in report


def test_a_new_record_changes_the_tables(records):
    before = {name: block() for name, block in tables.BLOCKS.items()}
    path = records / "record/x4.json"
    record = json.loads(path.read_text())
    for protocols in (record["evaluate"]["Set5"], record["evaluate"]["Set14"]):
        for methods in protocols.values():
            methods["scratch"]["psnr"] = 41.2345
    jpeg = record["evaluate"]["degraded"]["Set14"]["jpeg75"]
    jpeg["scratch"] = jpeg["bicubic"] + 8.7654
    record["benchmark"]["backends"]["native"]["frames_per_second"] = 987.6
    path.write_text(json.dumps(record))
    for name, block in tables.BLOCKS.items():
        assert block() != before[name]
        assert {"inference": "988", "photographs": "+8.77"}.get(name, "41.23") in block()
