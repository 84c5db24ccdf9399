"""Time and memory of `fsrcnn upscale` for one small picture, from start to end, beside the state before.

    python benchmarks/cold_start.py

Before, the command imported PyTorch. Both run in this environment, in turn; the first run is not counted.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
BEFORE = "61afde6"
RUNS = 10
SIDES = (90, 120)


class Run(NamedTuple):
    """`seconds` from start to end, `megabytes` at the most."""

    seconds: float
    megabytes: float


def upscale(source: Path, picture: Path, folder: Path) -> Run:
    """Upscale a copy of the picture with the package in `source`."""
    copy = folder / "picture.png"
    shutil.copyfile(picture, copy)
    (folder / "picture_x4.png").unlink(missing_ok=True)
    command = [sys.executable, "-m", "fsrcnn", "upscale", str(copy)]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(source)}, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    assert status == 0 and (folder / "picture_x4.png").exists(), f"{source}: not upscaled"
    return Run(seconds, usage.ru_maxrss / 1024)


def main() -> None:
    """Run both and print the table."""
    pixels = np.random.default_rng(0).integers(0, 256, (*SIDES, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as temporary:
        folder, before = Path(temporary), Path(temporary, "before")
        subprocess.run(
            ["git", "worktree", "add", "--quiet", "--detach", str(before), BEFORE], cwd=ROOT, check=True
        )
        try:
            Image.fromarray(pixels).save(folder / "given.png")
            sources = {f"before ({BEFORE})": before / "src", "now": ROOT / "src"}
            runs: dict[str, list[Run]] = {name: [] for name in sources}
            for _ in range(1 + RUNS):
                for name, source in sources.items():
                    runs[name].append(upscale(source, folder / "given.png", folder))
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(before)], cwd=ROOT, check=True)
    print(f"| {SIDES[1]}×{SIDES[0]} at ×4, median of {RUNS} | seconds | MB at most |\n| --- | --- | --- |")
    for name, (_, *counted) in runs.items():
        seconds = statistics.median(run.seconds for run in counted)
        print(f"| {name} | {seconds:.2f} | {max(run.megabytes for run in counted):.0f} |")


if __name__ == "__main__":
    main()
