"""Records and released weights go under the names of their family."""

import json
import subprocess

import pytest
import record
import release_weights

from fsrcnn.network import checkpoint, weights
from fsrcnn.network.model import FSRCNN


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(release_weights, "ROOT", tmp_path)
    monkeypatch.setattr(subprocess, "check_output", lambda *_, **__: "abc1234\n")
    return tmp_path


@pytest.mark.parametrize(("degradation", "name"), [("none", "x2"), ("photo", "photo-x2")])
def test_each_family_has_its_files(folder, degradation, name):
    figures = {"train": {"scale": 2}, "evaluate": {"scale": 2, "degradation": degradation}}
    figures["evaluate"]["Set5"] = {"standard": {"scratch": {"psnr": 36.789}}}
    for stage, content in (figures | {"benchmark": {"scale": 2}}).items():
        (folder / "metrics").mkdir(exist_ok=True)
        (folder / f"metrics/{stage}.json").write_text(json.dumps(content))
    trained = {"seed": "7"} if degradation == "none" else {"seed": "7", "degradation": degradation}
    checkpoint.save(FSRCNN(2, d=8, s=4, m=1), folder / "models/x2/scratch.safetensors", trained)

    record.main()
    release_weights.main()

    assert [path.stem for path in (folder / "metrics/record").iterdir()] == [name]
    kept = json.loads((folder / f"metrics/record/{name}.json").read_text())
    assert kept["evaluate"] == figures["evaluate"]
    assert kept["origin"] == "code of abc1234"
    (released,) = (folder / "src/fsrcnn/network/released").iterdir()
    assert released.name == f"{name}.safetensors"
    said = {"commit": "abc1234", "license": "MIT", "psnr_Set5_standard": "36.79"}
    assert weights.load(released).metadata == trained | said
