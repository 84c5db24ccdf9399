"""A lock that is not of the code beside it is noticed, in a clone that has no data."""

import sys

import pytest
import yaml
from check_lock import changed, disagreeing

from tests.project import Project

CHECK = (sys.executable, "scripts/check_lock.py")


def test_a_clone_notices_changed_code_and_parameters(project, tmp_path):
    project.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    assert not (clone.folder / "data").exists()
    clone.run(*CHECK)
    with (clone.folder / "src/fsrcnn/evaluation/latency.py").open("a") as file:
        file.write("# changed\n")
    params = clone.folder / "params.yaml"
    params.write_text(params.read_text().replace("iterations: 5", "iterations: 6"))
    with pytest.raises(AssertionError) as raised:
        clone.run(*CHECK)
    lines = set(str(raised.value).splitlines())
    assert "dvc.lock is stale:" in str(raised.value)
    assert {line for line in lines if line.startswith("  ")} == {
        "  benchmark: src/fsrcnn/evaluation/latency.py: modified",
        "  benchmark: benchmark: modified",
        "  evaluate: src/fsrcnn/evaluation: modified",
    }


def test_what_is_not_at_hand_is_not_stale():
    outs = {"changed outs": {"models/x4/scratch.json": "not in cache"}}
    status = {
        "train@4": [{"changed deps": {"data/x4/train": "deleted"}}, outs],
        "sources@4": ["always changed"],
    }
    assert changed(status) == []
    assert changed({"train@4": ["changed command"]}) == ["  train@4: changed command"]
    assert changed({"report": [{"changed outs": {"metrics/train.json": "modified"}}]}) != []


def test_stages_that_disagree():
    text = (
        "{stages: {a: {outs: [{path: x, md5: '1'}]}, b: {deps: [{path: x, md5: '1'}, {path: y, md5: '3'}]}}}"
    )
    lock = yaml.safe_load(text)
    assert disagreeing(lock) == []
    lock["stages"]["a"]["outs"][0]["md5"] = "2"
    assert disagreeing(lock) == ["  b: x: made anew since"]
