"""Bad parameters, given to the real stage scripts: one line, nothing written."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fsrcnn.errors import InputError
from fsrcnn.settings import Params

ROOT = Path(__file__).resolve().parents[2]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.fixture
def fails(tmp_path, monkeypatch):
    """Run a stage script in an empty folder with the given params.yaml; return its one-line error."""

    def run(script: str, params: dict | str) -> str:
        text = params if isinstance(params, str) else yaml.safe_dump(params)
        (tmp_path / "params.yaml").write_text(text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("FSRCNN_MIRROR", raising=False)
        scaled = ["--scale", "4"] if script in {"train.py", "download.py", "sources.py"} else []
        monkeypatch.setattr(sys, "argv", [script, *scaled])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(ROOT / "pipeline" / script), run_name="__main__")
        # A string as the exit code is printed to standard error, with exit status 1.
        assert isinstance(caught.value.code, str)
        assert caught.value.code.startswith("error: ")
        assert "\n" not in caught.value.code
        assert [file.name for file in tmp_path.iterdir()] == ["params.yaml"]
        return caught.value.code

    return run


def changed(path: str, value: object) -> dict:
    """params.yaml with one value replaced or added, `path` as DVC's --set-param takes it."""
    params = yaml.safe_load(yaml.safe_dump(PARAMS))
    *sections, key = path.split(".")
    section = params
    for name in sections:
        section = section[name]
    section[key] = value
    return params


@pytest.mark.parametrize(
    ("script", "path", "value"),
    [
        ("evaluate.py", "scale", 5),
        ("evaluate.py", "scale", "4"),
        ("evaluate.py", "device", "gpu"),
        ("evaluate.py", "device", "npu"),
        ("evaluate.py", "seed", -1),
        ("evaluate.py", "sclae", 4),
        ("evaluate.py", "framework", "tensorflow"),
        ("train.py", "recipe", "theirs"),
        ("download.py", "recipes.reference.train.epoch", 3),
        ("train.py", "train.epochs", -3),
        ("train.py", "train.optimiser", "adam"),
        ("train.py", "model.d", 0),
        ("finetune.py", "finetune.source_scale", 6),
        ("benchmark.py", "benchmark.iterations", 0),
        ("benchmark.py", "benchmark.warmup", 1.5),
        ("download.py", "data.source", "internet"),
        ("download.py", "data.mirror", "no/such/folder"),
        ("sources.py", "data.mirror", "no/such/folder"),
        ("sources.py", "data.train", ["no/such/folder"]),
        ("sources.py", "data.evaluation", []),
    ],
)
def test_bad_value_is_one_line(fails, script, path, value):
    assert path in fails(script, changed(path, value))


def test_reference_recipe_takes_the_place_of_ours():
    params = Params.of_yaml(changed("recipe", "reference"))
    reference = PARAMS["recipes"]["reference"]
    assert params.train.model_dump() == reference["train"]
    assert params.finetune.source_scale == PARAMS["finetune"]["source_scale"]
    assert params.finetune.ema_decay == reference["finetune"]["ema_decay"]
    ours = Params.of_yaml(PARAMS)
    assert ours.train.model_dump() == PARAMS["train"]


def test_mindspore_refuses_our_recipe():
    with pytest.raises(InputError, match="set recipe to reference"):
        Params.of_yaml(changed("framework", "mindspore"))


@pytest.mark.parametrize("script", ["download.py", "evaluate.py"])
def test_every_stage_checks_every_section(fails, script):
    assert "benchmark.iterations" in fails(script, changed("benchmark.iterations", 0))


@pytest.mark.parametrize(
    ("text", "reason"), [("scale: [", "not valid YAML"), ("- 4", "expected keys and values"), ("{}", "scale")]
)
def test_bad_file_is_one_line(fails, text, reason):
    error = fails("evaluate.py", text)
    assert error.startswith("error: params.yaml: ")
    assert reason in error


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        ("train.py", "data/x4/train: no training files"),
        ("benchmark.py", "models/x4/scratch.safetensors: no such file"),
    ],
)
def test_missing_input_is_one_line_that_names_the_file(fails, script, missing):
    assert f"error: {missing}; " in fails(script, PARAMS | {"device": "cpu"})


def test_exit_status_and_streams_of_a_real_process(tmp_path):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed("scale", 5)))
    command = [sys.executable, ROOT / "pipeline" / "evaluate.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: params.yaml: scale: Input should be 2, 3 or 4, not 5\n"
