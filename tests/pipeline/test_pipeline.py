"""The whole pipeline through DVC itself, in a repository of its own, with tiny settings."""

import json
import re
import shutil
import time

import mlflow
import pytest
from mlflow import MlflowClient
from PIL import Image


def test_every_stage_ran(project):
    for name in (
        "sources@4",
        "download@4",
        "download@3",
        "train@4",
        "train@3",
        "finetune",
        "evaluate",
        "benchmark",
    ):
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


def test_the_better_network_is_champion(project):
    project.runs()  # chooses the store
    client = mlflow.MlflowClient()
    versions = client.search_model_versions("name = 'fsrcnn-x4'")
    assert len(versions) == 2
    scored = {
        version.version: float(next(v for key, v in version.tags.items() if key.startswith("psnr_")))
        for version in versions
    }
    reached = [m["psnr"] for m in list(project.metrics("evaluate")["sample"]["reference"].values())[1:]]
    assert sorted(scored.values()) == pytest.approx(sorted(reached))
    assert client.get_model_version_by_alias("fsrcnn-x4", "champion").version == max(scored, key=scored.get)


def test_plots_and_picture(project):
    with Image.open(project.folder / "plots/comparison.png") as picture:
        assert picture.width > 1000
    project.dvc("plots", "show", "--out", "plots_html")
    page = (project.folder / "plots_html/index.html").read_text()
    for curve in ("loss", "validation_psnr", "comparison.png"):
        assert curve in page


def stages_run(output: str) -> set[str]:
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}


def test_second_run_looks_at_the_sources_only(project):
    before = len(project.runs())
    assert stages_run(project.dvc("repro")) == {"sources@4", "sources@3"}
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
        (("src/fsrcnn/evaluation/latency.py", "import time", "import time  # changed"), {"benchmark"}),
        (("src/fsrcnn/tracking/runs.py", "import json", "import json  # changed"), set()),
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
    assert stages_run(output) == {"sources@4", "sources@3", *stages}


def test_report_says_what_it_is_of(project):
    report = (project.folder / "metrics/report.md").read_text()
    psnr = project.metrics("evaluate")["sample"]["standard"]["scratch"]["psnr"]
    assert f"| ×4 | sample | {project.metrics('train')['device']}" in report
    recorded = json.loads((project.folder / "metrics/record/x2.json").read_text())
    assert f"| ×2 | 91-image | {recorded['train']['device']}, 2 threads | {recorded['origin']} |" in report
    assert f"{psnr:.2f}" in report.partition("## Not comparable")[2]
    for image in re.findall(r"!\[\]\((.*)\)", report):
        assert (project.folder / "metrics" / image).exists()


def test_sweep_with_two_workers(project):
    """Each experiment comes once to `dvc exp show` and to MLflow; one that fails says why there."""
    project.dvc("exp", "run", "--queue", "--name", "scale", "--set-param", "scale=2,3")
    sampling = ("--set-param", "train.sampling=patches", "--set-param", "train.batch_size=999999999")
    project.dvc("exp", "run", "--queue", "--name", "bad", *sampling)
    project.dvc("queue", "start", "--jobs", "2")
    deadline = time.monotonic() + 300
    while re.search("Queued|Running", status := project.dvc("queue", "status")):
        assert time.monotonic() < deadline, status
        time.sleep(2)
    project.dvc("queue", "stop")

    shown = json.loads(project.dvc("exp", "show", "--json", "--no-pager").splitlines()[0])
    experiments = {e["name"]: e["revs"][0] for row in shown for e in row["experiments"] or []}
    done = {name: rev["data"]["metrics"] for name, rev in experiments.items() if name != "bad"}
    shown = {name: metrics["metrics/summary.json"]["data"] for name, metrics in done.items()}
    assert sorted(summary["scale"] for summary in shown.values()) == [2, 3]
    assert "Failed" in status
    runs = mlflow.search_runs(experiment_names=["fsrcnn"], output_format="list")
    made = [run for run in runs if "dvc_experiment" in run.data.tags]
    failed = [run for run in made if run.info.status == "FAILED"]
    finished = [run for run in made if run.info.status == "FINISHED"]
    assert len(failed) + len(finished) == len(made)
    (reason,) = [run.data.tags["failure"] for run in failed]
    assert "more than all patches" in reason
    # At scale 3 the network from scratch was restored, not trained a second time.
    names = sorted(f"x{run.data.tags['scale']} {run.data.tags['kind']}" for run in finished)
    assert names == ["x2 scratch", "x2 transfer", "x3 transfer"]
    head = project.git("rev-parse", "HEAD").strip()
    for run in finished:
        tags, scale = run.data.tags, run.data.tags["scale"]
        assert (tags["git_commit"], tags["data"], tags["recipe"]) == (head, "sample", "soap crops")
        assert len(MlflowClient().get_metric_history(run.info.run_id, "training/loss")) == run_epochs(run)
        (summary,) = [summary for summary in shown.values() if str(summary["scale"]) == scale]
        psnr = summary[f"psnr_{tags['kind']}"]
        history = MlflowClient().get_metric_history(run.info.run_id, "sample/standard/psnr")
        assert [m.value for m in history] == [pytest.approx(psnr)]


def run_epochs(run: mlflow.entities.Run) -> int:
    return int(run.data.params["train.epochs"])
