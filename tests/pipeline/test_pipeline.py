"""The whole pipeline through DVC itself, in a repository of its own, with tiny settings."""

import json
import re
import time
from importlib import metadata

import mlflow
import pytest
import yaml
from mlflow import MlflowClient
from PIL import Image

from fsrcnn.files import sha256


def test_every_stage_ran(project):
    for name in (
        "sources@4",
        "download@4",
        "download@3",
        "train@4",
        "train@3",
        "finetune",
        "evaluate",
        "promote",
        "benchmark",
    ):
        assert f"Running stage '{name}'" in project.output
    assert "from scratch" in project.output
    assert "latency:" in project.output


def test_metric_files_have_the_promised_shape(project):
    evaluation = project.metrics("evaluate")
    assert (evaluation["scale"], evaluation["train_data"]) == (4, "sample")
    assert evaluation["degradation"] == "none"
    for protocol in ("reference", "standard"):
        methods = evaluation["sample"][protocol]
        assert list(methods) == ["bicubic", "scratch", "transfer"]
        assert all(0 < m["ssim"] < 1 and 0 < m["psnr"] < 60 for m in methods.values())
        assert 20 < methods["bicubic"]["psnr"] < 40
    clean, jpeg = (evaluation["degraded"]["sample"][name] for name in ("clean", "jpeg75"))
    standard = evaluation["sample"]["standard"]
    assert clean == {method: pytest.approx(standard[method]["psnr"], abs=1e-3) for method in standard}
    gain = round(jpeg["scratch"] - jpeg["bicubic"], 4)
    assert project.metrics("summary")["gain_jpeg75"] == gain
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
        assert [i.dataset.name for i in run.inputs.dataset_inputs if i.tags[0].value == "training"] == [
            f"sample_{name.split()[0]}"
        ]
        assert len(run.outputs.model_outputs) == 1
    for kind in ("scratch", "transfer"):
        logged = runs[f"x4 {kind}"].data.metrics
        assert logged["sample/reference/psnr"] == pytest.approx(evaluation[kind]["psnr"])
        assert "sample/jpeg75/psnr" in logged
    median = project.metrics("benchmark")["latency_ms"]["median"]
    assert runs["x4 scratch"].data.metrics["latency_ms/median"] == pytest.approx(median)
    assert runs["x4 transfer"].data.tags["source_run_id"] == runs["x3 scratch"].info.run_id


def test_networks_are_registered_and_the_demo_is_not_champion(project):
    runs = project.runs()  # chooses the store
    client = mlflow.MlflowClient()
    versions = client.search_model_versions("name = 'fsrcnn-x4'")
    figures = project.metrics("evaluate")["sample"]["reference"]
    reached = {runs[f"x4 {kind}"].info.run_id: figures[kind]["psnr"] for kind in ("scratch", "transfer")}
    assert {version.run_id for version in versions} == set(reached)
    for version in versions:
        (psnr,) = [value for key, value in version.tags.items() if key.startswith("psnr_")]
        assert float(psnr) == pytest.approx(reached[version.run_id])
        assert f"sample, reference protocol: {reached[version.run_id]:.2f} dB" in version.description
        assert f"bicubic {figures['bicubic']['psnr']:.2f} dB" in version.description
        model = client.get_logged_model(version.source.removeprefix("models:/"))
        (registered,) = json.loads(model.tags["mlflow.modelVersions"])
        assert (registered["name"], str(registered["version"])) == ("fsrcnn-x4", str(version.version))
    assert client.get_registered_model("fsrcnn-x4").aliases == {}
    assert project.output.count("not for champion: data.source is sample") == 1
    assert set(project.metrics("promotion")["objections"]) == {"scratch", "transfer"}


def test_commit_and_run_name_each_other(project):
    runs, lock = project.runs(), yaml.safe_load((project.folder / "dvc.lock").read_text())["stages"]
    named = project.metrics("train")
    outs = {out["path"]: out["md5"] for name in ("train@4", "finetune") for out in lock[name]["outs"]}
    for kind in ("scratch", "transfer"):
        run = runs[f"x4 {kind}"]
        path = f"models/x4/{kind}.safetensors"
        assert named[kind]["run_id"] == run.info.run_id
        assert run.data.tags["weights_md5"] == outs[path]
        assert run.data.tags["weights_sha256"] == sha256(project.folder / path)
        assert run.data.params["recipe"] == "ours"
        assert run.info.run_name == f"x4 {kind} #{run.data.tags['git_commit'][:7]}"
    assert named["source"]["run_id"] == runs["x3 scratch"].info.run_id


def test_figures_name_their_data_and_conditions(project):
    run = project.runs()["x4 scratch"]
    inputs = {i.dataset.name: i for i in run.inputs.dataset_inputs}
    assert set(inputs) == {"sample_x4", "sample/reference", "sample/standard"}
    assert [tag.value for tag in inputs["sample/standard"].tags] == ["evaluation"]
    model = mlflow.get_logged_model(run.outputs.model_outputs[0].model_id)
    for name in ("sample/reference", "sample/standard"):
        digests = {(m.dataset_name, m.dataset_digest) for m in model.metrics if m.key.startswith(f"{name}/")}
        assert digests == {(name, inputs[name].dataset.digest)}
    benchmark = project.metrics("benchmark")
    for key in ("device_name", "threads", "warmup", "iterations", "batch_size", "torch"):
        assert run.data.tags[f"benchmark.{key}"] == str(benchmark[key])
    for package in ("torch", "mlflow", "numpy"):
        assert run.data.tags[f"version.{package}"] == metadata.version(package)
        assert run.data.tags[f"benchmark.version.{package}"] == metadata.version(package)


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
    for weights in (project.folder / "models").glob("x*/*.safetensors"):
        weights.unlink()
    (project.folder / "dvc.lock").unlink()
    assert not stages_run(project.dvc("repro", "train@4", "finetune")) & {"train@4", "train@3", "finetune"}
    assert (project.folder / "models/x4/scratch.safetensors").exists()
    assert {run.info.run_id for run in project.runs().values()} == before
    project.git("checkout", "--quiet", "--", ".")


ROOM = {"benchmark", "evaluate"}  # what depends on latency.py, and what depends on its room


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (("params.yaml", "iterations: 5", "iterations: 6"), {"benchmark"}),
        (("src/fsrcnn/evaluation/latency.py", "import time", "import time  # changed"), ROOM),
        (("src/fsrcnn/tracking/runs.py", "import time", "import time  # changed"), set()),
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
    assert f"| ×2 | 91-image | {recorded['train']['device']}, 1 thread | {recorded['origin']} |" in report
    assert f"{psnr:.2f}" in report.partition("## Not comparable")[2]
    for image in re.findall(r"!\[\]\((.*)\)", report):
        assert (project.folder / "metrics" / image).exists()


def test_sweep_with_two_workers(project):
    """Each experiment comes once to `dvc exp show` and to MLflow; one that fails says why there."""
    project.dvc("exp", "run", "--queue", "--name", "scale", "--set-param", "scale=2,3")
    sampling = ("--set-param", "train.sampling=patches", "--set-param", "train.batch_size=999999999")
    project.dvc("exp", "run", "--queue", "--name", "bad", *sampling)
    project.dvc("queue", "start", "--jobs", "2")
    deadline = time.monotonic() + 360
    while re.search("Queued|Running", status := project.dvc("queue", "status")):
        assert time.monotonic() < deadline, status
        time.sleep(5)  # to ask takes seconds of a core
    project.dvc("queue", "stop")
    assert status.count("Failed") == 1, status
    log = project.dvc("queue", "logs", "bad")
    assert "train.batch_size: 999999999 is more than all patches" in log, log

    shown = json.loads(project.dvc("exp", "show", "--json", "--no-pager").splitlines()[0])
    experiments = {e["name"]: e["revs"][0] for row in shown for e in row["experiments"] or []}
    done = {name: rev["data"]["metrics"] for name, rev in experiments.items() if name != "bad"}
    shown = {name: metrics["metrics/summary.json"]["data"] for name, metrics in done.items()}
    assert sorted(summary["scale"] for summary in shown.values()) == [2, 3]
    runs = project.all_runs()
    made = [run for run in runs if "dvc_experiment" in run.data.tags]
    failed = [run for run in made if run.info.status == "FAILED"]
    finished = [run for run in made if run.info.status == "FINISHED"]
    assert len(failed) + len(finished) == len(made)
    reasons = [run.data.tags["failure"] for run in failed]
    assert len(reasons) == 1 and "more than all patches" in reasons[0], f"{reasons}\n{log}"
    # At scale 3 the network from scratch was restored, not trained a second time.
    names = sorted(f"x{run.data.tags['scale']} {run.data.tags['kind']}" for run in finished)
    assert names == ["x2 scratch", "x2 transfer", "x3 transfer"]
    head = project.git("rev-parse", "HEAD").strip()
    for run in finished:
        tags, scale = run.data.tags, run.data.tags["scale"]
        assert (tags["git_commit"], tags["data"]) == (head, "sample")
        assert run.info.run_name == f"x{scale} {tags['kind']} {tags['dvc_experiment']}"
        assert len(MlflowClient().get_metric_history(run.info.run_id, "training/loss")) == run_epochs(run)
        (summary,) = [summary for summary in shown.values() if str(summary["scale"]) == scale]
        psnr = summary[f"psnr_{tags['kind']}"]
        history = MlflowClient().get_metric_history(run.info.run_id, "sample/standard/psnr")
        assert [m.value for m in history] == [pytest.approx(psnr)]
    # From MLflow an experiment finds also the network that it restored.
    (restored,) = [run for run in runs if "dvc_experiment" not in run.data.tags and is_x3_scratch(run)]
    (experiment,) = {run.data.tags["dvc_experiment"] for run in finished if run.data.tags["scale"] == "3"}
    assert f"dvc_experiment.{experiment}" in restored.data.tags


def is_x3_scratch(run: mlflow.entities.Run) -> bool:
    return (run.data.tags["scale"], run.data.tags["kind"]) == ("3", "scratch")


def run_epochs(run: mlflow.entities.Run) -> int:
    return int(run.data.params["train.epochs"])
