"""What was measured on a graphics processor, as rows of the report's tables.

Of `metrics/gpu.json`, which benchmarks/gpu.py writes: its `results` are null where nothing was measured.
"""

from collections.abc import Mapping, Sequence
from typing import Any

NOT_MEASURED = "not measured (`make gpu-report`)"
NAME = "ours, on a graphics processor"


def training(gpu: Mapping[str, Any]) -> list[Sequence[str]]:
    """Model, device, Set5 PSNR in dB and seconds an epoch of each training."""
    if gpu["results"] is None:
        return [(NAME, "", NOT_MEASURED, "")]
    names = {"reference": "**ours, reference recipe**", "ours": "**ours, from scratch**"}
    measured = gpu["results"]["training"]
    rows: list[Sequence[str]] = [
        (
            names[recipe],
            gpu["device_name"],
            f"{result['psnr']:.2f} after {result['steps']} steps, {result['seconds']:.0f} s",
            f"{result['seconds_per_epoch']:.1f}",
        )
        for recipe, result in measured.items()
        if recipe in names
    ]
    short = measured["short"]
    reached = [seconds for seconds in short["seconds"] if seconds is not None]
    said = f"{short['target_psnr']:.2f} reached by {len(reached)} of {len(short['seconds'])} seeds"
    if reached:
        said += f", in {sum(reached) / len(reached):.1f} s in the mean"
    return [*rows, ("**ours, short schedule**", gpu["device_name"], said, "")]


def inference(gpu: Mapping[str, Any]) -> list[Sequence[str]]:
    """Model, device and median in ms of each variant, for the published batch."""
    if gpu["results"] is None:
        return [(NAME, "", NOT_MEASURED)]
    batch, *_ = gpu["results"]["latency"]
    return [
        (f"**ours, {name}**", gpu["device_name"], _milliseconds(result))
        for name, result in batch["variants"].items()
    ]


def latency(gpu: Mapping[str, Any]) -> tuple[list[str], list[Sequence[str]]]:
    """Header and rows of a table of every input, with the ratios to the plain network."""
    inputs = gpu["results"]["latency"]
    header = [
        f"{gpu['device_name']}, driver {gpu['driver']}, torch {gpu['torch']}, {gpu['date']}",
        *(f"{'×'.join(map(str, each['input_shape']))} at ×{each['scale']}, ms" for each in inputs),
    ]
    rows: list[Sequence[str]] = [
        (name, *(_with_ratio(each["variants"][name]) for each in inputs)) for name in inputs[0]["variants"]
    ]
    return header, rows


def _milliseconds(result: Mapping[str, Any]) -> str:
    if "not_timed" in result:
        return f"not timed: {result['not_timed']}"
    return f"{result['latency_ms']['median']:.3g}"


def _with_ratio(result: Mapping[str, Any]) -> str:
    ratio = f", {result['speedup']:.1f} times as fast" if "speedup" in result else ""
    return _milliseconds(result) + ratio
