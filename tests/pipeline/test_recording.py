"""The curve of a training that is under way, in a table that grows."""

import csv
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import recording
import torch
import yaml

from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import Params
from fsrcnn.training.curve import Epoch
from tests.project import ROOT

CURVE = Path("models/x4/transfer.csv")
EPOCHS = [Epoch(i, 10 * i, float(i), 0.5 / i, 3.0, 0.01, None) for i in (1, 2, 3)]


@pytest.mark.parametrize("done", [0, 1])
def test_curve_grows_with_each_epoch_and_goes_with_the_end(tmp_path, monkeypatch, data, done):
    monkeypatch.chdir(tmp_path)
    logged, seen = [], []
    run = SimpleNamespace(id="1", metrics=lambda step, _: logged.append(step), model=lambda _: None)
    saved = {"curve": [row._asdict() for row in EPOCHS[:done]]} if done else None
    state = SimpleNamespace(load=lambda: saved, remove=lambda: None)

    def fit(*_, on_epoch, **__):
        for row in EPOCHS[done:]:
            on_epoch(row)
            with CURVE.open() as file:
                seen.append([int(row["epoch"]) for row in csv.DictReader(file)])
        return EPOCHS

    monkeypatch.setattr(recording, "fit", fit)
    monkeypatch.setattr(recording, "training_sets", lambda _: [])
    monkeypatch.setattr(recording, "TrainingState", lambda *_: state)
    monkeypatch.setattr(recording.runs, "connect", lambda _: None)
    monkeypatch.setattr(recording.runs, "training_run", lambda *_, **__: nullcontext(run))
    settings = Params.of_yaml(yaml.safe_load((ROOT / "params.yaml").read_text())).train
    recording.record_training(
        FSRCNN(4, d=4, s=2, m=1),
        data,
        settings,
        kind="transfer",
        folder=Path("data"),
        device=torch.device("cpu"),
        seed=1,
        recipe="ours",
        degradation="none",
    )
    assert seen == [list(range(1, n + 1)) for n in range(done + 1, 4)]
    assert set(logged) == {1, 2, 3}
    assert not CURVE.exists()
