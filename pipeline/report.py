"""Stage `report`: a summary to compare runs by, the trainings and their curves, and a report to read.

python pipeline/report.py --source-scale 3
"""

import json
from pathlib import Path
from typing import Any

import stage

from fsrcnn.evaluation.curves import draw_curves
from fsrcnn.evaluation.measurement import Measurement, headline
from fsrcnn.evaluation.report import markdown
from fsrcnn.files import atomic, write_csv, write_json
from fsrcnn.limits import SCALES
from fsrcnn.network import weights
from fsrcnn.tracking import runs

RECORD = Path("metrics/record")  # of each scale, written by scripts/record.py


def report() -> None:
    """Write `metrics/summary.json`, `train.json`, `curves*` and `report.md`; print the table."""
    source = stage.read_scale(__doc__, "--source-scale")
    params = stage.read_params()
    scale = params.scale
    runs.connect(stage.repository_root())
    trainings = {
        "scratch": _read(Path(f"models/x{scale}/scratch.json")),
        "source": _read(Path(f"models/x{source}/scratch.json")),
        "transfer": _read(Path(f"models/x{scale}/transfer.json")),
    }
    target = trainings["scratch"]
    head = {key: target[key] for key in ("scale", "train_data", "device", "threads")}
    train = {**head, **{name: _last_epoch(training) for name, training in trainings.items()}}
    write_json(Path("metrics/train.json"), train)
    for name, training in trainings.items():
        write_csv(Path(f"metrics/curves/{name}.csv"), training["curve"])
    picture = Path("metrics/curves.png")
    family = weights.load(Path(f"models/x{scale}/scratch.safetensors")).family
    draw_curves({name: training["curve"] for name, training in trainings.items()}, picture)

    this = Measurement(
        train, _read(Path("metrics/evaluate.json")), "this run", family, _read(Path("metrics/benchmark.json"))
    )
    write_json(Path("metrics/summary.json"), _summary(this))
    recorded = [Measurement(**_read(path)) for path in sorted(RECORD.glob("*.json"))]
    others = [other for other in recorded if other.subject != this.subject]
    measured = [this, *others]
    images = ["curves.png", "../plots/comparison.png"]
    with atomic(Path("metrics/report.md")) as temporary:
        frameworks, gpu = (_read(Path(f"metrics/{name}.json")) for name in ("frameworks", "gpu"))
        released = {scale: weights.released(scale, "clean").metadata for scale in SCALES}
        text = markdown(measured, images, frameworks, gpu, released)
        temporary.write_text(text, encoding="utf-8")
    _print_table(this)
    for kind in ("scratch", "transfer"):
        runs.add_to_run(Path(f"models/x{scale}/{kind}.safetensors"), {}, [picture])


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _last_epoch(record: dict[str, Any]) -> dict[str, Any]:
    last = record["curve"][-1]
    return {
        "scale": record["scale"],
        "run_id": record["run_id"],
        "epochs": last["epoch"],
        "steps": last["step"],
        "seconds": round(last["seconds"], 1),
        "seconds_per_epoch": round(record["seconds_per_epoch"], 2),
        "loss": last["loss"],
        "train_psnr": round(last["train_psnr"], 3),
        "validation_psnr": last["validation_psnr"] and round(last["validation_psnr"], 3),
    }


def _summary(this: Measurement) -> dict[str, Any]:
    """The few figures that `dvc exp show` and `dvc metrics diff` compare runs by."""
    dataset, protocol, psnr = headline(this)
    fastest = min(this.benchmark["backends"].values(), key=lambda b: b["latency_ms"]["median"], default=None)
    jpeg = this.degraded.get(dataset, {}).get("jpeg75")  # not of a set that came without its pictures
    return {
        "scale": this.scale,
        "headline": f"{dataset} {protocol}",
        "psnr_scratch": psnr["scratch"],
        "psnr_transfer": psnr["transfer"],
        "gain_scratch": round(psnr["scratch"] - psnr["bicubic"], 4),
        "gain_transfer": round(psnr["transfer"] - psnr["bicubic"], 4),
        "gain_jpeg75": jpeg and round(jpeg["scratch"] - jpeg["bicubic"], 4),
        "latency_ms": (fastest or this.benchmark)["latency_ms"]["median"],
        "train_seconds": this.train["scratch"]["seconds"],
        "finetune_seconds": this.train["transfer"]["seconds"],
    }


def _print_table(this: Measurement) -> None:
    print(f"\nx{this.scale}, trained on {this.train['train_data']}; mean PSNR in dB / SSIM on luma")
    print(f"{'':24}{'bicubic':>16}{'from scratch':>16}{'transferred':>16}")
    for dataset, protocols in this.sets.items():
        for protocol, methods in protocols.items():
            cells = (f"{m['psnr']:.2f} / {m['ssim']:.4f}" for m in methods.values())
            print(f"{f'{dataset} {protocol}':24}" + "".join(f"{cell:>16}" for cell in cells))
    for dataset, degradations in this.degraded.items():
        for name, psnr in degradations.items():
            print(f"{f'{dataset} {name}':24}" + "".join(f"{value:>16.2f}" for value in psnr.values()))
    shape = "x".join(map(str, this.benchmark["input_shape"]))
    median = this.benchmark["latency_ms"]["median"]
    print(f"latency: {median} ms median for {shape} on {this.benchmark['device_name']}")
    for name, result in this.benchmark["backends"].items():
        milliseconds, speedup = result["latency_ms"]["median"], result["speedup"]
        print(f"  {name}: {milliseconds} ms, {speedup} times as fast")
    print()


if __name__ == "__main__":
    stage.main(report)
