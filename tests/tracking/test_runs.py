import base64
import io
import json
import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image

from fsrcnn import files
from fsrcnn.errors import InputError
from fsrcnn.network import checkpoint
from fsrcnn.network.model import FSRCNN
from fsrcnn.tracking import runs
from fsrcnn.tracking.record import Candidate
from fsrcnn.upscaling.image import Upscaler

OUTPUT = Path("models/x2/scratch.safetensors")


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The working folder: OUTPUT lies there."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A repository root whose store the tests of this module share: making one takes seconds."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture
def client(root, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "DVC_EXP_NAME", "DVC_STAGE"):
        monkeypatch.delenv(name, raising=False)
    runs.connect(root)
    return MlflowClient()


def model_uri(client, run) -> str:
    return f"models:/{client.get_run(run.id).outputs.model_outputs[-1].model_id}"


def make_weights(path: Path, seed: int) -> tuple[Path, FSRCNN]:
    torch.manual_seed(seed)
    network = FSRCNN(2, d=4, s=2, m=1)
    checkpoint.save(network, path, {"data": "t91"})
    return path, network.eval()


def all_runs(client):
    return client.search_runs([client.get_experiment_by_name("fsrcnn").experiment_id])


def test_run_holds_what_was_logged(client, root, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "brave-lens")
    monkeypatch.setenv("DVC_STAGE", "train@2")
    link = "https://example.org/T91.zip"
    datasets = [
        runs.Dataset("t91", Path("data/t91.h5"), "ab" * 32, link),
        runs.Dataset("set5", Path("data/set5"), "cd" * 32, "data/set5", context="validation"),
    ]
    params = {"network.d": 56, "network.s": 12, "steps": 10}
    tags = {"scale": "2", "kind": "scratch"}
    with runs.training_run("x2 scratch", output=OUTPUT, params=params, tags=tags, datasets=datasets) as run:
        run.metrics(1, {"loss": 0.5, "psnr": 30.0})
        run.metrics(2, {"loss": 0.25})

    stored = client.get_run(run.id)
    assert stored.info.run_name == "x2 scratch brave-lens"
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"network.d": "56", "network.s": "12", "steps": "10"}
    assert stored.data.tags.items() >= tags.items()
    assert stored.data.tags["dvc_experiment"] == "brave-lens"
    assert stored.data.tags["dvc_stage"] == "train@2"
    history = [(m.step, m.value) for m in client.get_metric_history(run.id, "loss")]
    assert history == [(1, 0.5), (2, 0.25)]

    inputs = {i.dataset.name: i for i in stored.inputs.dataset_inputs}
    t91 = inputs["t91"]
    assert json.loads(t91.dataset.profile) == {"path": "data/t91.h5", "sha256": "ab" * 32}
    assert json.loads(t91.dataset.source) == {"url": link}
    assert ("ab" * 32).startswith(t91.dataset.digest)
    assert [tag.value for tag in inputs["set5"].tags] == ["validation"]
    assert mlflow.data.get_source(inputs["set5"]).to_dict() == {"uri": "data/set5"}


def test_commit_and_dirty_code(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        done = subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    code, other = tmp_path / "src" / "a.py", tmp_path / "dvc.lock"
    code.parent.mkdir()
    code.write_text("a = 1\n")
    other.write_text("old\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--no-gpg-sign", "-m", "a")

    def tags():
        with runs.training_run("git", output=OUTPUT, params={}, tags={}) as run:
            pass
        return client.get_run(run.id).data.tags

    other.write_text("new\n")
    assert (tags()["git_commit"], tags()["git_dirty"]) == (git("rev-parse", "HEAD"), "false")
    code.write_text("a = 2\n")
    assert tags()["git_dirty"] == "true"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (InputError("data.h5: no such file"), "FAILED", "data.h5: no such file"),
        (ValueError("two\nlines"), "FAILED", "ValueError: two lines"),
        (KeyboardInterrupt(), "KILLED", None),
    ],
)
def test_run_that_raises(client, error, status, reason):
    with (
        pytest.raises(type(error)),
        runs.training_run("bad", output=OUTPUT, params={}, tags={}) as run,
    ):
        raise error
    stored = client.get_run(run.id)
    assert stored.info.status == status
    assert stored.data.tags.get("failure") == reason
    assert mlflow.active_run() is None


def test_model_gives_what_the_library_gives(client, root, tmp_path):
    path, network = make_weights(tmp_path / "x2.safetensors", seed=1)
    with runs.training_run("model", output=OUTPUT, params={}, tags={}) as run:
        run.model(path)
    assert client.get_run(run.id).data.tags["weights_sha256"] == files.sha256(path)

    model = mlflow.pyfunc.load_model(model_uri(client, run))
    assert model.metadata.metadata.items() >= {"scale": "2", "d": "4", "data": "t91"}.items()
    rng = np.random.default_rng(0)
    for channels in (1, 3):
        image = rng.integers(0, 256, (5, 7, channels), dtype=np.uint8)[:, ::-1]
        output = model.predict(image)
        assert output.shape == (10, 14, channels)
        np.testing.assert_array_equal(
            output.squeeze(), Upscaler(checkpoint.weights_of(network))(image.squeeze())
        )
    png = model.predict(image, params={"encoding": "png"})
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))), output)

    stored = {p.name for p in (root / "mlartifacts").rglob("*")}
    assert {"x2.safetensors", "pyfunc.py", "MLmodel"} <= stored
    assert not [name for name in stored if name.endswith((".pkl", ".pickle", ".pt", ".pth"))]


def test_model_takes_and_gives_the_bytes_of_files(client, tmp_path, caplog):
    path, network = make_weights(tmp_path / "x2.safetensors", seed=1)
    with runs.training_run("bytes", output=OUTPUT, params={}, tags={}) as run:
        run.model(path)
    model = mlflow.pyfunc.load_model(model_uri(client, run))
    contents = []
    for number, form in enumerate(("png", "jpeg", "bmp", "webp")):
        image = np.random.default_rng(number).integers(0, 256, (5, 7, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(image).save(file, form)
        contents.append(file.getvalue())
    output = model.predict(pandas.DataFrame({"content": [*contents, b"no picture"]}))
    assert output.pop() is None
    assert "picture: not a readable picture" in caplog.text
    forms = [Image.open(io.BytesIO(content)).format for content in output]
    assert forms == ["PNG", "JPEG", "PNG", "WEBP"]
    upscaler = Upscaler(checkpoint.weights_of(network))
    for source, large in zip(contents[::2], output[::2], strict=True):
        expected = upscaler(np.asarray(Image.open(io.BytesIO(source))))
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(large))), expected)
    for table in ({"content": []}, {"content": ["text"]}, {"path": ["a"], "content": [b"a"]}):
        with pytest.raises(mlflow.MlflowException, match="one column, the bytes"):
            model.predict(pandas.DataFrame(table))


UPSCALE = """
import sys
from importlib.metadata import packages_distributions

before = set(sys.modules)
import numpy as np
from fsrcnn import upscale
from fsrcnn.pictures import reading, writing

upscale(np.zeros((8, 8, 3), np.uint8), scale=2)
of = packages_distributions()
print(*{name for module in {*sys.modules} - before for name in of.get(module.partition(".")[0], [])})
"""


def test_model_requires_what_upscaling_imports(client, tmp_path):
    done = subprocess.run([sys.executable, "-c", UPSCALE], capture_output=True, text=True, check=True)
    imported = {name.lower() for name in done.stdout.split()} - {"fsrcnn"}
    path, _ = make_weights(tmp_path / "x2.safetensors", seed=6)
    with runs.training_run("requirements", output=OUTPUT, params={}, tags={}) as run:
        run.model(path)
    file = Path(mlflow.artifacts.download_artifacts(model_uri(client, run))) / "requirements.txt"
    required = {line.partition("==")[0] for line in file.read_text().split()}
    assert required == {"mlflow", *imported}


def test_add_to_run_finds_the_run_by_its_weights(client, root, tmp_path, monkeypatch):
    path, _ = make_weights(tmp_path / "x2.safetensors", seed=2)
    figure = tmp_path / "set5.png"
    figure.write_bytes(b"png")
    for _ in range(2):
        with runs.training_run("evaluated", output=OUTPUT, params={}, tags={}) as run:
            run.model(path)

    set5 = runs.Dataset("Set5/reference", Path("data/Set5.h5"), "ef" * 32, "Set5", context="evaluation")
    monkeypatch.setenv("DVC_EXP_NAME", "brave-lens")
    runs.add_to_run(path, {"Set5/reference/psnr": 36.5}, [figure], [set5], {"threads": "2"})
    stored = client.get_run(run.id)  # the later of the two runs with the same weights
    assert stored.data.metrics == {"Set5/reference/psnr": 36.5}
    assert stored.info.status == "FINISHED"
    assert [a.path for a in client.list_artifacts(run.id, "figures")] == ["figures/set5.png"]
    assert (root / "mlartifacts" / run.id).is_dir()
    model = mlflow.get_logged_model(model_uri(client, run).removeprefix("models:/"))
    (metric,) = model.metrics
    assert (metric.key, metric.value, metric.dataset_name) == ("Set5/reference/psnr", 36.5, "Set5/reference")
    assert ("ef" * 32).startswith(metric.dataset_digest)
    assert [i.tags[0].value for i in stored.inputs.dataset_inputs] == ["evaluation"]
    assert (
        stored.data.tags.items()
        >= {"threads": "2", "dvc_experiment.brave-lens": "used these weights"}.items()
    )


def test_unknown_weights_make_no_run(client, tmp_path, caplog):
    path, _ = make_weights(tmp_path / "other.safetensors", seed=3)
    before = len(all_runs(client))
    with caplog.at_level(logging.WARNING, logger="fsrcnn.tracking.sync"):
        runs.add_to_run(path, {"Set5/psnr": 1.0})
        runs.promote(path, Candidate(scale=2, psnr=1.0, data_digest="a" * 64))
    assert "other.safetensors: no MLflow run made it" in caplog.text
    assert "other.safetensors; it is not registered" in caplog.text
    assert len(all_runs(client)) == before


def test_transfer_links_to_its_source(client, tmp_path):
    path, _ = make_weights(tmp_path / "x3.safetensors", seed=4)
    unknown, _ = make_weights(tmp_path / "unknown.safetensors", seed=5)
    with runs.training_run("x3 scratch", output=OUTPUT, params={}, tags={}) as source:
        source.model(path)
    with runs.training_run("x2 transfer", output=OUTPUT, params={}, tags={}, source=path) as run:
        pass
    tags = client.get_run(run.id).data.tags
    assert tags["source_run_id"] == source.id
    assert tags["source_weights_sha256"] == files.sha256(path)
    assert f"[x3 scratch](#/experiments/1/runs/{source.id})" in tags["mlflow.note.content"]

    with runs.training_run("x2 transfer", output=OUTPUT, params={}, tags={}, source=unknown) as run:
        pass
    tags = client.get_run(run.id).data.tags
    assert tags["source_weights_sha256"] == files.sha256(unknown)
    assert "source_run_id" not in tags


def test_connect_is_quiet(client, capfd):
    with runs.training_run("quiet", output=OUTPUT, params={}, tags={}):
        pass
    assert "mlflow" not in "".join(capfd.readouterr()).lower()


def test_two_processes_share_a_fresh_store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    script = """
import sys
from pathlib import Path
from fsrcnn.tracking import runs
runs.connect(Path(sys.argv[1]))
with runs.training_run(sys.argv[2], output=Path(sys.argv[2]), params={"a": 1}, tags={}) as run:
    for step in range(50):
        run.metrics(step, {"loss": float(step)})
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), name], stderr=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors

    runs.connect(tmp_path)
    client = MlflowClient()
    made = all_runs(client)
    assert {run.info.run_name for run in made} == {"one", "two"}
    for run in made:
        assert run.info.status == "FINISHED"
        assert len(client.get_metric_history(run.info.run_id, "loss")) == 50


def test_server_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    start = time.monotonic()
    with pytest.raises(InputError) as raised:
        runs.connect(tmp_path)
    assert time.monotonic() - start < 10
    message = str(raised.value)
    assert "http://127.0.0.1:9" in message
    assert "secret" not in message
    assert "\n" not in message


def test_environment_chooses_the_store(client, root, tmp_path, monkeypatch):
    before = len(all_runs(client))
    shutil.copy(root / "mlflow.db", tmp_path / "elsewhere.db")  # a store that need not be made
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    runs.connect(root)
    with runs.training_run("elsewhere", output=OUTPUT, params={}, tags={}):
        pass
    assert len(all_runs(MlflowClient())) == before + 1

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    runs.connect(root)
    assert len(all_runs(MlflowClient())) == before
