"""Records and released weights go under the names of their family."""

import json
import subprocess

import pytest
import record
import release_weights

from fsrcnn.limits import SMALL, network_name
from fsrcnn.network import checkpoint, weights
from fsrcnn.network.model import FSRCNN


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(release_weights, "ROOT", tmp_path)
    monkeypatch.setattr(subprocess, "check_output", lambda *_, **__: "abc1234\n")
    return tmp_path


@pytest.mark.parametrize(
    ("degradation", "shape", "name"),
    [("none", (8, 4, 1), "x2"), ("photo", (8, 4, 1), "photo-x2"), ("photo", SMALL, "photo-s-x2")],
)
def test_each_family_has_its_files(folder, degradation, shape, name):
    figures = {
        "train": {"scale": 2, "scratch": {"steps": 5}},
        "evaluate": {"scale": 2, "degradation": degradation, "train_data": "91-image"},
    }
    figures["evaluate"]["Set5"] = {"standard": {"scratch": {"psnr": 36.789}}}
    for stage, content in (figures | {"benchmark": {"scale": 2}}).items():
        (folder / "metrics").mkdir(exist_ok=True)
        (folder / f"metrics/{stage}.json").write_text(json.dumps(content))
    trained = {"seed": "7"} if degradation == "none" else {"seed": "7", "degradation": degradation}
    checkpoint.save(FSRCNN(2, *shape), folder / "models/x2/scratch.safetensors", trained)

    record.main()
    release_weights.main()

    assert [path.stem for path in (folder / "metrics/record").iterdir()] == [name]
    kept = json.loads((folder / f"metrics/record/{name}.json").read_text())
    assert kept["evaluate"] == figures["evaluate"]
    assert kept["origin"] == "code of abc1234"
    assert ("benchmark" in kept) == (degradation == "none")
    assert network_name(2, kept["family"]) == name
    (released,) = (folder / "src/fsrcnn/network/released").iterdir()
    assert released.name == f"{name}.safetensors"
    said = {"commit": "abc1234", "license": "MIT", "psnr_Set5_standard": "36.79", "steps": "5"}
    assert weights.load(released).metadata == trained | said
