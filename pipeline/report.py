"""Stage `report`: the trainings of this run in one metrics file, their curves, and a report to read.

python pipeline/report.py --source-scale 3
"""

import csv
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import stage

from fsrcnn.evaluation.report import Measurement, draw_curves, markdown
from fsrcnn.files import atomic, write_json
from fsrcnn.tracking import runs

METRICS = ("train", "evaluate", "benchmark")  # the files, and the fields of `Measurement`


def report() -> None:
    """Write `metrics/train.json`, `metrics/curves*` and `metrics/report.md`; print the table."""
    source = stage.read_scale(__doc__, "--source-scale")
    params = stage.read_params()
    runs.connect(stage.repository_root())
    records = {
        "scratch": json.loads(Path(f"models/x{params.scale}/scratch.json").read_text()),
        "source": json.loads(Path(f"models/x{source}/scratch.json").read_text()),
        "transfer": json.loads(Path(f"models/x{params.scale}/transfer.json").read_text()),
    }
    target = records["scratch"]
    head = {key: target[key] for key in ("scale", "train_data", "device", "threads")}
    write_json(Path("metrics/train.json"), {**head, **{name: _summary(r) for name, r in records.items()}})
    curves = {name: record["curve"] for name, record in records.items()}
    for name, rows in curves.items():
        path = Path(f"metrics/curves/{name}.csv")
        with atomic(path) as temporary, temporary.open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    picture = Path("metrics/curves.png")
    draw_curves(curves, picture)

    this = {name: json.loads(Path(f"metrics/{name}.json").read_text()) for name in METRICS}
    commit = _git("rev-parse", "--short", "HEAD")
    frameworks = json.loads(Path("metrics/frameworks.json").read_text())
    measured = [Measurement(**this, origin=f"this run, code of {commit}"), *_recorded(params.scale)]
    images = ["curves.png", "../plots/comparison.png"]
    with atomic(Path("metrics/report.md")) as temporary:
        temporary.write_text(markdown(measured, images, frameworks), encoding="utf-8")
    _print_table()
    for kind in ("scratch", "transfer"):
        runs.add_to_run(Path(f"models/x{params.scale}/{kind}.safetensors"), {}, [picture])


def _recorded(but: int) -> Iterator[Measurement]:
    """The latest metrics of every other scale in the history of the current branch."""
    seen = {but}
    for commit in _git("log", "--format=%h", "--", "metrics/evaluate.json").split():
        if _git("ls-tree", "--name-only", commit, "metrics/evaluate.json"):
            evaluation = json.loads(_git("show", f"{commit}:metrics/evaluate.json"))
            if evaluation["scale"] not in seen:
                seen.add(evaluation["scale"])
                files = {name: json.loads(_git("show", f"{commit}:metrics/{name}.json")) for name in METRICS}
                yield Measurement(**files, origin=f"commit {commit}")


def _git(*arguments: str) -> str:
    """The output of a Git command; nothing where there is no repository."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()


def _summary(record: dict[str, Any]) -> dict[str, Any]:
    last = record["curve"][-1]
    return {
        "scale": record["scale"],
        "epochs": last["epoch"],
        "steps": last["step"],
        "seconds": round(last["seconds"], 1),
        "seconds_per_epoch": round(record["seconds_per_epoch"], 2),
        "loss": last["loss"],
        "train_psnr": round(last["train_psnr"], 3),
        "validation_psnr": last["validation_psnr"] and round(last["validation_psnr"], 3),
    }


def _print_table() -> None:
    evaluation = json.loads(Path("metrics/evaluate.json").read_text())
    benchmark = json.loads(Path("metrics/benchmark.json").read_text())
    print(f"\nx{evaluation['scale']}, trained on {evaluation['train_data']}; mean PSNR in dB / SSIM on luma")
    print(f"{'':24}{'bicubic':>16}{'from scratch':>16}{'transferred':>16}")
    for dataset, protocols in evaluation.items():
        if isinstance(protocols, dict):
            for protocol, methods in protocols.items():
                cells = (f"{m['psnr']:.2f} / {m['ssim']:.4f}" for m in methods.values())
                print(f"{f'{dataset} {protocol}':24}" + "".join(f"{cell:>16}" for cell in cells))
    shape = "x".join(map(str, benchmark["input_shape"]))
    median = benchmark["latency_ms"]["median"]
    print(f"latency: {median} ms median for {shape} on {benchmark['device_name']}")
    for name, result in benchmark["backends"].items():
        milliseconds, speedup = result["latency_ms"]["median"], result["speedup"]
        print(f"  {name}: {milliseconds} ms, {speedup} times as fast")
    print()


if __name__ == "__main__":
    stage.main(report)
