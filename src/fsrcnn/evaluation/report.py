"""The report: what was measured, beside the published figures, as Markdown.

Published figures stand beside those of a training on the 91 images only; what was trained on other
data, and what was evaluated on other pictures, has sections of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fsrcnn.evaluation import gpu_rows
from fsrcnn.evaluation.measurement import TRAIN_DATA, Measurement
from fsrcnn.evaluation.published import (
    OTHER_PICTURES,
    PUBLISHED_INFERENCE,
    PUBLISHED_SET5,
    PUBLISHED_TRAINING,
)
from fsrcnn.limits import SCALES

EVALUATION_SETS = ("Set5", "Set14")  # of which figures are published
FRAMEWORKS = {"torch": "PyTorch", "mindspore": "MindSpore"}
METHODS = {"bicubic": "bicubic", "scratch": "**ours, from scratch**", "transfer": "**ours, transferred**"}
RELEASED = "**ours, released**"
OTHERS = """\
## Trained on other pictures

PSNR in dB of Set5 by the standard protocol or one close to it, of networks of about this size. They saw other
pictures than ours, most of them 800 large ones, and some round their output to 8 bits. Ours is not rounded;
that would cost it 0.01 to 0.04 dB."""
DEGRADED = """\
## Through JPEG and other reductions

PSNR in dB on Y, standard protocol, and what is gained over bicubic on the same LR. LR is reduced by
antialiased bicubic where no other filter is named; JPEG is libjpeg's of that quality, 4:2:0. The networks are
those from scratch, trained with `data.degradation` `none` (clean) and `photo`; photo-s is FSRCNN-s."""


def markdown(
    measurements: Sequence[Measurement],
    images: Iterable[str],
    frameworks: Mapping[str, Any],
    gpu: Mapping[str, Any],
    released: Mapping[int, Mapping[str, str]],
) -> str:
    """The whole report.

    `images` are the paths of its pictures, relative to it; `frameworks` and `gpu` are the contents
    of `metrics/frameworks.json` and `metrics/gpu.json`, written by the scripts of these names in benchmarks/;
    `released` are the metadata of the released clean networks, by scale.
    """
    clean = [m for m in measurements if m.family == "clean"]
    ours = {m.scale: m for m in clean if m.evaluate["train_data"] == TRAIN_DATA}
    other = [m for m in clean if m.evaluate["train_data"] != TRAIN_DATA]
    parts = ["# Report", _training(ours.get(4), frameworks, gpu), _inference(ours.get(4), frameworks, gpu)]
    if gpu["results"] is not None:
        parts.append(_table(*gpu_rows.latency(gpu)))
    if ours:
        parts.append(
            "## Quality\n\nMean of the images, on Y: PSNR in dB / SSIM. Compare within one protocol only."
        )
        tables = _quality(ours, PUBLISHED_SET5, released)
        parts += [table for name in EVALUATION_SETS for table in tables.pop(name, [])]
        for name, its in tables.items():
            parts += [f"## Not comparable: evaluated on {name}\n\nNo published figure is of it.", *its]
    if released:
        parts.append(_other_pictures(released, other))
    for m in other:
        data = m.evaluate["train_data"]
        parts.append(
            f"## Not comparable: ×{m.scale}, trained on {data}\n\nNot the 91 images: nothing to compare with."
        )
        parts.append(_table(["", "device", "s an epoch"], _our_training(m, [])))
        parts += [table for its in _quality({m.scale: m}, {}, {}).values() for table in its]
    parts += _degraded(measurements)
    parts.append(
        "## Where it comes from\n\n"
        + _table(["scale", "trained on", "device", "from"], _origins(measurements))
    )
    parts += [f"![]({image})" for image in images]
    return "\n\n".join(parts) + "\n"


def _training(m: Measurement | None, frameworks: Mapping[str, Any], gpu: Mapping[str, Any]) -> str:
    device = _device(frameworks["device_name"], frameworks["threads"])
    rows: list[Sequence[str]] = [*PUBLISHED_TRAINING, *gpu_rows.training(gpu)]
    rows += [
        (
            f"reference recipe, {FRAMEWORKS[name]}",
            device,
            f"{r['psnr']:.2f} after epoch {r['epochs']}" if "psnr" in r else "",
            f"{r['seconds_per_epoch']:.0f}",
        )
        for name, r in frameworks["results"].items()
    ]
    note = "No training at ×4 on the 91 images was measured."
    if m:
        rows += _our_training(m, [("Set5", "reference")])
        steps = m.train["scratch"]["steps"] // m.train["scratch"]["epochs"]
        note = (
            f"Ours: reference protocol, the last weights. An epoch is {steps} steps, "
            'not a pass over the published patches: see README, "Speed of training", for that.'
        )
    return f"## Training, ×4\n\n{_table(['model', 'device', 'Set5 PSNR', 's an epoch'], rows)}\n\n{note}"


def _inference(m: Measurement | None, frameworks: Mapping[str, Any], gpu: Mapping[str, Any]) -> str:
    both = _device(frameworks["device_name"], frameworks["threads"])
    rows: list[Sequence[str]] = [*PUBLISHED_INFERENCE, *gpu_rows.inference(gpu)]
    rows += [
        (f"plain {FRAMEWORKS[name]}, side by side", both, f"{r['latency_ms']['median']:.1f}")
        for name, r in frameworks["results"].items()
    ]
    note = "No latency at ×4 was measured."
    if m:
        b = m.benchmark
        device = _device(b["device_name"], b["threads"])
        plain = FRAMEWORKS[b.get("framework", "torch")]
        rows.append((f"**ours, plain {plain}**", device, f"{b['latency_ms']['median']:.1f}"))
        rows += [
            (f"**ours, backend {name}**", device, f"{backend['latency_ms']['median']:.1f}")
            for name, backend in b["backends"].items()
        ]
        shape = "×".join(map(str, b["input_shape"]))
        note = f"Ours: {shape}, {b['warmup']} warm-up and {b['iterations']} timed calls, all in one run."
    return f"## Inference, ×4, batch of 8\n\n{_table(['model', 'device', 'median, ms'], rows)}\n\n{note}"


def _our_training(m: Measurement, psnr_of: Iterable[tuple[str, str]]) -> list[Sequence[str]]:
    device = _device(m.train["device"], m.train["threads"])
    return [
        (
            METHODS[kind],
            device,
            *(
                f"{m.evaluate[dataset][protocol][kind]['psnr']:.2f}" if dataset in m.evaluate else ""
                for dataset, protocol in psnr_of
            ),
            f"{m.train[kind]['seconds_per_epoch']:.1f}",
        )
        for kind in ("scratch", "transfer")
    ]


def _quality(
    by_scale: Mapping[int, Measurement],
    published_set5: Mapping[str, Sequence[tuple[str, float, float, float]]],
    released: Mapping[int, Mapping[str, str]],
) -> dict[str, list[str]]:
    """For each evaluation set a table for each protocol, with a column for each scale."""
    found: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = {}
    for scale in sorted(by_scale):
        for dataset, protocols in by_scale[scale].sets.items():
            for protocol, methods in protocols.items():
                found.setdefault((dataset, protocol), {})[scale] = methods
    tables: dict[str, list[str]] = {}
    for (dataset, protocol), columns in found.items():
        rows = [
            (title, *(f"{c[method]['psnr']:.2f} / {c[method]['ssim']:.4f}" for c in columns.values()))
            for method, title in METHODS.items()
        ]
        if dataset == "Set5":
            published = [
                (name, *(f"{dict(zip(SCALES, values, strict=True))[scale]:.2f}" for scale in columns))
                for name, *values in published_set5.get(protocol, [])
            ]
            rows[1:1] = published
            if released.keys() >= columns.keys():
                cells = (released[scale][f"psnr_Set5_{protocol}"] for scale in columns)
                rows.append((RELEASED, *cells))
        header = [f"{dataset}, {protocol} protocol", *(f"×{scale}" for scale in columns)]
        tables.setdefault(dataset, []).append(_table(header, rows))
    return tables


def _other_pictures(released: Mapping[int, Mapping[str, str]], other: Sequence[Measurement]) -> str:
    """Networks of this size that saw other pictures, published ones and ours, beside ours that saw the 91."""
    rows = [
        (name, weights, data, *("" if value is None else f"{value:.2f}" for value in values), source)
        for name, weights, data, *values, source in OTHER_PICTURES
    ]
    found: dict[str, dict[int, str]] = {}
    for m in other:
        if standard := m.sets.get("Set5", {}).get("standard"):
            cells = found.setdefault(m.evaluate["train_data"], {})
            cells[m.scale] = f"{standard['scratch']['psnr']:.2f}"
    rows += [
        (
            "**ours, from scratch**",
            "12,464",
            data,
            *(cells.get(scale, "") for scale in SCALES),
            "this repository",
        )
        for data, cells in found.items()
    ]
    ours = (released[scale]["psnr_Set5_standard"] for scale in SCALES)
    rows.append((RELEASED, "12,464", TRAIN_DATA, *ours, "the files' metadata"))
    columns = ["network", "weights at ×2", "trained on", *(f"×{scale}" for scale in SCALES), "source"]
    return f"{OTHERS}\n\n{_table(columns, rows)}"


def _degraded(measurements: Sequence[Measurement]) -> list[str]:
    """For each scale and set a table of the grid of degradations, with a column for each family."""
    found: dict[tuple[int, str], dict[str, Mapping[str, Mapping[str, float]]]] = {}
    # Of two of a family the one trained on the 91 images.
    for m in sorted(measurements, key=lambda m: (m.scale, m.family, m.evaluate["train_data"] == TRAIN_DATA)):
        for dataset, degradations in m.degraded.items():
            found.setdefault((m.scale, dataset), {})[m.family] = degradations
    tables = []
    for (scale, dataset), families in found.items():
        grid = next(iter(families.values()))
        rows = [
            (
                degradation_title(name),
                f"{psnr['bicubic']:.2f}",
                *(_gained(degradations[name]) for degradations in families.values()),
            )
            for name, psnr in grid.items()
        ]
        header = [f"{dataset}, ×{scale}", "bicubic", *(f"**ours, {family}**" for family in families)]
        tables.append(_table(header, rows))
    return [DEGRADED, *tables] if tables else []


def degradation_title(name: str) -> str:
    """What a table calls a degradation of the grid: "JPEG 75" for `jpeg75`."""
    return name.replace("jpeg", "JPEG ").replace("_", ", ")


def _gained(psnr: Mapping[str, float]) -> str:
    return f"{psnr['scratch']:.2f} ({psnr['scratch'] - psnr['bicubic']:+.2f})"


def _origins(measurements: Sequence[Measurement]) -> list[Sequence[str]]:
    return [
        (
            f"×{m.scale}" if m.family == "clean" else f"×{m.scale}, {m.family}",
            m.evaluate["train_data"],
            _device(m.train["device"], m.train["threads"]),
            m.origin,
        )
        for m in sorted(measurements, key=lambda m: (m.family, m.scale))
    ]


def _device(name: str, threads: int) -> str:
    return f"{name}, {threads} thread{'' if threads == 1 else 's'}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
