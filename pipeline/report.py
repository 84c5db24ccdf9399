"""Stage `report`: the trainings of this run in one metrics file, their curves, and a table to read.

python pipeline/report.py --source-scale 3
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import stage

from fsrcnn.files import atomic, write_json


def report() -> None:
    """Write `metrics/train.json` and `metrics/curves/`; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source-scale", type=int, choices=(2, 3, 4), required=True)
    source = parser.parse_args().source_scale
    run = stage.read_run()
    records = {
        "scratch": json.loads(Path(f"models/x{run.scale}/scratch.json").read_text()),
        "source": json.loads(Path(f"models/x{source}/scratch.json").read_text()),
        "transfer": json.loads(Path(f"models/x{run.scale}/transfer.json").read_text()),
    }
    target = records["scratch"]
    head = {key: target[key] for key in ("scale", "train_data", "device", "threads")}
    write_json(Path("metrics/train.json"), {**head, **{name: _summary(r) for name, r in records.items()}})
    for name, record in records.items():
        path = Path(f"metrics/curves/{name}.csv")
        with atomic(path) as temporary, temporary.open("w", newline="") as file:
            table = csv.DictWriter(file, list(record["curve"][0]))
            table.writeheader()
            table.writerows(record["curve"])
    _print_table()


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
        "held_out_psnr": last["held_out_psnr"] and round(last["held_out_psnr"], 3),
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
