"""Which networks may be champion."""

import json
from pathlib import Path

import promote
import pytest
import yaml

from fsrcnn.tracking import runs
from tests.project import ROOT


@pytest.mark.parametrize(
    ("source", "degradation", "transfer", "objections"),
    [
        ("published", "none", 30.5, [None, None]),
        ("published", "none", 28.42, [None, "28.42 dB is not above bicubic's 28.42"]),
        (
            "published",
            "photo",
            30.5,
            ["data.degradation was photo, and champions are compared on clean pictures"] * 2,
        ),
        ("sample", "none", 30.5, ["data.source is sample, and the bundled photographs are no benchmark"] * 2),
    ],
)
def test_objections(tmp_path, monkeypatch, source, degradation, transfer, objections):
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["data"]["source"] = source
    Path("params.yaml").write_text(yaml.safe_dump(params))
    scores = {"bicubic": 28.42, "scratch": 31.0, "transfer": transfer}
    figures = {"reference": {name: {"psnr": psnr} for name, psnr in scores.items()}}
    evaluation = {
        "degradation": degradation,
        "champion_by": "Set5/reference",
        "champion_data": "ab" * 32,
        "Set5": figures,
    }
    Path("metrics").mkdir()
    Path("metrics/evaluate.json").write_text(json.dumps(evaluation))
    entered = {}
    monkeypatch.setattr(runs, "connect", lambda root: None)
    monkeypatch.setattr(runs, "promote", lambda path, candidate: entered.update({path.stem: candidate}))
    promote.promote()
    written = json.loads(Path("metrics/promotion.json").read_text())["objections"]
    assert list(written.values()) == objections
    assert [entered[kind].eligible for kind in written] == [not objection for objection in objections]
    assert entered["scratch"].description == "Set5, reference protocol: 31.00 dB on luma; bicubic 28.42 dB"
