"""Write the figures that Markdown files show from the records in `metrics/`, so that no two places disagree.

    python scripts/tables.py

A block of PAGES between `<!-- NAME -->` and `<!-- end -->` is replaced by what the function NAME returns.
tests/test_tables.py fails when a page is not what this would write.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from fsrcnn.evaluation.published import PUBLISHED_SET5
from fsrcnn.evaluation.report import degradation_title
from fsrcnn.files import atomic
from fsrcnn.limits import FAMILIES, SCALES, network_name
from fsrcnn.network.weights import released

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/recipe.md")
BACKENDS = {
    "openvino": "OpenVINO, on our sub-pixel graph",
    "compiled": "`torch.compile`, on our sub-pixel form",
    "onnxruntime": "ONNX Runtime, on our sub-pixel graph",
    "eager": "ours in PyTorch, not compiled (`eager`)",
    "native": "**ours** (`native`)",
}


def read(name: str) -> dict[str, Any]:
    """`metrics/<name>.json`."""
    content: dict[str, Any] = json.loads((ROOT / f"metrics/{name}.json").read_text(encoding="utf-8"))
    return content


def headline() -> str:
    """Three numbers: quality, speed of inference, speed of training, each beside what it is compared with."""
    record, speedrun = read("record/x4"), read("speedrun")
    psnr = record["evaluate"]["Set5"]["reference"]["scratch"]["psnr"]
    published = max(values[SCALES.index(4)] for _, *values in PUBLISHED_SET5["reference"])
    plain, native = (
        record["benchmark"]["frames_per_second"],
        record["benchmark"]["backends"]["native"]["frames_per_second"],
    )
    ratio = speedrun["usual_loop_seconds"] / speedrun["seconds"]
    return table(
        ["×4, two CPU cores", "here", "elsewhere"],
        [
            (
                "PSNR on Set5, reference protocol",
                f"**{psnr:.2f} dB**",
                f"{published:.2f} dB, best published port",
            ),
            ("480×270 to 1080p", f"**{native:.0f} frames a second**", f"{plain:.0f}, PyTorch's own layers"),
            (
                f"training until Set5 reads {speedrun['target_psnr']:.2f} dB",
                f"**{speedrun['seconds']:.0f} s**",
                f"{speedrun['usual_loop_seconds']} s, the usual {speedrun['usual_loop_epochs']} epochs "
                f"({ratio:.0f} times as long)",
            ),
        ],
    )


def set5() -> str:
    """PSNR on Set5 by both protocols at every scale."""
    records = [read(f"record/x{scale}") for scale in SCALES]

    def both(method: str) -> list[str]:
        scores = [record["evaluate"]["Set5"] for record in records]
        return [f"{s['reference'][method]['psnr']:.2f} / {s['standard'][method]['psnr']:.2f}" for s in scores]

    best = {
        protocol: [max(column) for column in zip(*(values for _, *values in rows), strict=True)]
        for protocol, rows in PUBLISHED_SET5.items()
    }
    metadata = [released(scale, "clean").metadata for scale in SCALES]
    of_released = [f"{m['psnr_Set5_reference']} / {m['psnr_Set5_standard']}" for m in metadata]
    published = [f"{a:.2f} / {b:.2f}" for a, b in zip(best["reference"], best["standard"], strict=True)]
    return table(
        ["Set5", *(f"×{scale}" for scale in SCALES)],
        [
            ("bicubic", *both("bicubic")),
            ("published, 91 images, the best of each protocol", *published),
            ("**ours, from scratch**", *(f"**{cell}**" for cell in both("scratch"))),
            ("**ours, transferred from ×3**", *both("transfer")),
            ("**ours, released**", *of_released),
        ],
    )


def set14() -> str:
    """PSNR on Set14 by the standard protocol at every scale."""
    scores = [read(f"record/x{scale}")["evaluate"]["Set14"]["standard"] for scale in SCALES]
    titles = {"bicubic": "bicubic", "scratch": "ours, from scratch", "transfer": "ours, transferred from ×3"}
    return table(
        ["Set14, standard protocol", *(f"×{scale}" for scale in SCALES)],
        [(title, *(f"{s[method]['psnr']:.2f}" for s in scores)) for method, title in titles.items()],
    )


def inference() -> str:
    """Latency of the plain network and of every backend at x4, from the stage `benchmark`."""
    benchmark = read("record/x4")["benchmark"]
    rows = [("PyTorch's own layers", benchmark)]
    rows += [(title, benchmark["backends"][name]) for name, title in BACKENDS.items()]
    rows.sort(key=lambda row: -row[1]["latency_ms"]["median"])
    return table(
        ["", "batch of 8 of 64×64", "480×270 to 1920×1080"],
        [
            (title, f"{r['latency_ms']['median']:.1f} ms", f"{r['frames_per_second']:.0f} frames a second")
            for title, r in rows
        ],
    )


def photographs() -> str:
    """What each family gains over bicubic on Set14 through every degradation; the best of a scale is bold."""
    grids = {
        (scale, family): read(f"record/{network_name(scale, family)}")["evaluate"]["degraded"]["Set14"]
        for scale in SCALES
        for family in FAMILIES
    }
    rows = []
    for name in next(iter(grids.values())):
        gains = {key: grid[name]["scratch"] - grid[name]["bicubic"] for key, grid in grids.items()}
        best = {scale: max(gains[scale, family] for family in FAMILIES) for scale in SCALES}
        cells = [
            f"**{gain:+.2f}**" if gain == best[scale] else f"{gain:+.2f}"
            for (scale, _), gain in gains.items()
        ]
        rows.append((degradation_title(name), *(cell.replace("-", "−") for cell in cells)))
    return table(["", *(f"×{scale} `{family}`" for scale, family in grids)], rows)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])


BLOCKS: dict[str, Callable[[], str]] = {
    f.__name__: f for f in (headline, set5, set14, inference, photographs)
}


def filled(text: str) -> str:
    """The text with every block made anew."""

    def block(match: re.Match[str]) -> str:
        return f"<!-- {match[1]} -->\n\n{BLOCKS[match[1]]()}\n\n<!-- end -->"

    return re.sub(rf"<!-- ({'|'.join(BLOCKS)}) -->\n.*?<!-- end -->", block, text, flags=re.DOTALL)


if __name__ == "__main__":
    for page in PAGES:
        with atomic(ROOT / page) as temporary:
            temporary.write_text(filled((ROOT / page).read_text(encoding="utf-8")), encoding="utf-8")
