import sys
from pathlib import Path

import pytest
from PIL import Image

import fsrcnn
from fsrcnn.cli import main
from fsrcnn.errors import InputError
from fsrcnn.network import checkpoint
from fsrcnn.network.model import FSRCNN
from fsrcnn.tracking.registered import load_registered


def test_upscaling_with_a_model_of_the_registry(tmp_path, monkeypatch, capsys):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "w.safetensors"
    checkpoint.save(FSRCNN(2, d=8, s=4, m=1), weights, {})
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_registry_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_experiment("net")  # another test of this process may have chosen one of its own store
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(fsrcnn.__file__).with_name("tracking") / "pyfunc.py"),
            artifacts={"weights": str(weights)},
            pip_requirements=[],
            registered_model_name="net",
        )
    mlflow.MlflowClient().set_registered_model_alias("net", "champion", 1)

    Image.new("L", (5, 4), 90).save("a.png")
    assert main(["upscale", "a.png", "--model", "models:/net@champion"]) == 0
    with Image.open("a_x2.png") as image:
        assert image.size == (10, 8)
    capsys.readouterr()
    for missing in ("models:/net@nobody", "models:/none/1", "nonsense"):
        assert main(["upscale", "a.png", "--model", missing]) == 1
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fsrcnn: ")]
        assert len(lines) == 1
        assert missing in lines[0]


def test_without_mlflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(InputError, match="MLflow is not installed"):
        load_registered("models:/net@champion")
