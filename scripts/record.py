"""Keep this run's figures as those of its network: `metrics/record/x<scale>.json`, `photo-x<scale>.json`, …

    python scripts/record.py

Run it after `dvc repro` on a clean commit, then `dvc repro report`, and commit. The report, the tables of
the README and `dvc metrics diff --targets` compare scales and commits by these files. What was trained on
other pictures than the 91 has their names in that of its file.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from fsrcnn.evaluation.measurement import TRAIN_DATA
from fsrcnn.files import write_json
from fsrcnn.limits import network_name
from fsrcnn.network import weights

METRICS = ("train", "evaluate")
TIMED = ("clean", TRAIN_DATA)  # whose latency is kept: that of a network does not depend on its weights


def main() -> None:
    """Read `metrics/*.json` of the current run and write the record."""
    scale, data = (_read("evaluate")[key] for key in ("scale", "train_data"))
    family = weights.load(Path(f"models/x{scale}/scratch.safetensors")).family
    timed = ["benchmark"] if (family, data) == TIMED else []
    record = {name: _read(name) for name in (*METRICS, *timed)}
    assert {figures["scale"] for figures in record.values()} == {scale}, "figures of two runs"
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip()
    name = network_name(scale, family) + ("" if data == TRAIN_DATA else f"-{data}")
    path = Path(f"metrics/record/{name}.json")
    write_json(path, record | {"origin": f"code of {commit}", "family": family})
    print(path)


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(f"metrics/{name}.json").read_text())
    return content


if __name__ == "__main__":
    main()
