"""The whole pipeline through DVC itself, in a repository of its own, with tiny settings."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
TINY = {
    "data.source": "sample",
    "train.compile": False,
    "train.epochs": 2,
    "train.steps_per_epoch": 15,
    "train.batch_size": 4,
    "train.warmup_steps": 5,
    "train.held_out_share": 0.2,
    "finetune.epochs": 1,
    "benchmark.batch_size": 1,
    "benchmark.warmup": 1,
    "benchmark.iterations": 5,
    "benchmark.frames": 1,
}


class Project:
    """A copy of this repository's working tree with a Git history and tiny settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():
            if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith("metrics/"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        params = yaml.safe_load((folder / "params.yaml").read_text())
        for path, value in TINY.items():
            section, key = path.split(".")
            params[section][key] = value
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        self.git("init", "--quiet")
        self.commit("start")

    def run(self, *command: str) -> str:
        bin_folder = str(Path(sys.executable).parent)
        environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
        for name in ("FSRCNN_MIRROR", "MLFLOW_TRACKING_URI"):
            environment.pop(name, None)
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        return self.run("git", *identity, *arguments)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def dvc(self, *arguments: str) -> str:
        return self.run("dvc", *arguments)

    def metrics(self, name: str) -> dict:
        return json.loads((self.folder / "metrics" / f"{name}.json").read_text())

    def runs(self) -> dict[str, mlflow.entities.Run]:
        """MLflow runs by scale and kind; fails when two are of the same scale and kind."""
        mlflow.set_tracking_uri(f"sqlite:///{self.folder}/mlflow.db")
        found = mlflow.search_runs(experiment_names=["fsrcnn"], output_format="list")
        named = {f"x{run.data.tags['scale']} {run.data.tags['kind']}": run for run in found}
        assert len(named) == len(found)
        return named


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    project.output = project.dvc("repro")
    project.commit("first run")
    return project


def test_every_stage_ran(project):
    for name in ("download@4", "download@3", "train@4", "train@3", "finetune", "evaluate", "benchmark"):
        assert f"Running stage '{name}'" in project.output
    assert "from scratch" in project.output
    assert "latency:" in project.output


def test_metric_files_have_the_promised_shape(project):
    evaluation = project.metrics("evaluate")
    assert (evaluation["scale"], evaluation["train_data"]) == (4, "sample")
    for protocol in ("reference", "standard"):
        methods = evaluation["sample"][protocol]
        assert list(methods) == ["bicubic", "scratch", "transfer"]
        assert all(0 < m["ssim"] < 1 and 0 < m["psnr"] < 60 for m in methods.values())
        assert 20 < methods["bicubic"]["psnr"] < 40
    benchmark = project.metrics("benchmark")
    latency = benchmark["latency_ms"]
    assert 0 < latency["min"] <= latency["p5"] <= latency["median"] <= latency["p95"]
    assert (benchmark["scale"], benchmark["batch_size"], benchmark["iterations"]) == (4, 1, 5)
    training = project.metrics("train")
    assert [training[kind]["scale"] for kind in ("scratch", "source", "transfer")] == [4, 3, 4]
    assert [training[kind]["steps"] for kind in ("scratch", "source", "transfer")] == [30, 30, 15]
    images = (project.folder / "metrics/images.csv").read_text().splitlines()
    assert len(images) == 1 + 3 * 2 * 3  # photographs, protocols, methods


def test_every_trained_model_is_one_run(project):
    runs = project.runs()
    assert set(runs) == {"x4 scratch", "x3 scratch", "x4 transfer"}
    head = project.git("rev-list", "--max-parents=0", "HEAD").strip()
    evaluation = project.metrics("evaluate")["sample"]["reference"]
    for name, run in runs.items():
        assert run.info.status == "FINISHED"
        assert run.info.run_name.startswith(name)
        assert run.data.tags["git_commit"] == head
        assert run.data.params["train.batch_size"] == "4"
        assert run.inputs.dataset_inputs[0].dataset.name.startswith("sample_x")
        assert len(run.outputs.model_outputs) == 1
    for kind in ("scratch", "transfer"):
        logged = runs[f"x4 {kind}"].data.metrics
        assert logged["sample/reference/psnr"] == pytest.approx(evaluation[kind]["psnr"])
    median = project.metrics("benchmark")["latency_ms"]["median"]
    assert runs["x4 scratch"].data.metrics["latency_ms/median"] == pytest.approx(median)
    assert runs["x4 transfer"].data.tags["source_run_id"] == runs["x3 scratch"].info.run_id


def test_plots_and_picture(project):
    with Image.open(project.folder / "plots/comparison.png") as picture:
        assert picture.width > 1000
    project.dvc("plots", "show", "--out", "plots_html")
    page = (project.folder / "plots_html/index.html").read_text()
    for curve in ("loss", "train_psnr", "held_out_psnr", "comparison.png"):
        assert curve in page


def test_second_run_does_nothing(project):
    before = len(project.runs())
    assert "Running stage" not in project.dvc("repro")
    assert len(project.runs()) == before
    assert project.git("status", "--porcelain", "--untracked-files=no").strip() == ""


def test_restored_stage_makes_no_run(project):
    before = {run.info.run_id for run in project.runs().values()}
    shutil.rmtree(project.folder / "models")
    (project.folder / "dvc.lock").unlink()
    assert "Running stage 'train" not in project.dvc("repro")
    assert (project.folder / "models/x4/scratch.safetensors").exists()
    assert {run.info.run_id for run in project.runs().values()} == before
    project.git("checkout", "--quiet", "--", ".")


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (("params.yaml", "iterations: 5", "iterations: 6"), {"benchmark"}),
        (("src/fsrcnn/latency.py", "import time", "import time  # changed"), {"benchmark"}),
        (("src/fsrcnn/tracking.py", "import json", "import json  # changed"), set()),
        (("params.yaml", "d: 56", "d: 32"), {"train@4", "train@3"}),
    ],
)
def test_a_change_reruns_only_what_depends_on_it(project, change, stages):
    """A dry run names the stages whose own code or parameters changed, not yet those after them."""
    name, old, new = change
    path = project.folder / name
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    try:
        output = project.dvc("repro", "--dry")
    finally:
        path.write_text(text)
    assert {line.split("'")[1] for line in output.splitlines() if "Running stage" in line} == stages


def test_queued_experiments_land_in_the_same_store(project):
    project.dvc("exp", "run", "--queue", "--set-param", "scale=2,3")
    project.dvc("exp", "run", "--run-all")
    shown = json.loads(project.dvc("exp", "show", "--json", "--no-pager").splitlines()[0])
    experiments = [e["revs"][0] for row in shown for e in row["experiments"] or []]
    scales = sorted(e["data"]["metrics"]["metrics/evaluate.json"]["data"]["scale"] for e in experiments)
    assert scales == [2, 3]
    runs = project.runs()
    assert set(runs) == {f"x{n} {kind}" for n in (2, 3, 4) for kind in ("scratch", "transfer")}
    # Scale 3 is also the source's: its network was restored, not trained a second time.
    assert runs["x2 scratch"].data.tags["dvc_experiment"] in {e["name"] for e in experiments}
