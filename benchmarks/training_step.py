"""A training step beside that of another state of this repository, by turns, in one sitting.

    git worktree add /tmp/before 5d7f112
    python benchmarks/training_step.py --before /tmp/before [--scale 4] [--threads 2] [--rounds 3]

Each round is a process of its own that imports the package from one state or the other and trains by the
recipe of this state's params.yaml, in float32, on data/x<scale>/train. *First*: seconds until the first epoch
is over, without its steps at the later pace: compiling, which each round does anew. The best round counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fsrcnn.limits import SCALES
from fsrcnn.system import processor_name, usable_cores

NOW = Path(__file__).resolve().parents[1]
PROGRAM = """
import json, sys, torch, yaml
from pathlib import Path
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import TrainSettings
from fsrcnn.torch.loop import fit
from fsrcnn.training import loading
scale, threads = map(int, sys.argv[1:])
torch.set_num_threads(threads)
section = yaml.safe_load(Path("params.yaml").read_text())["train"]
section |= {"epochs": 4, "steps_per_epoch": 250, "precision": "float32"}
settings = TrainSettings.parse("train", section)
data = loading.load(Path(f"data/x{scale}/train"), scale, settings, 123)
torch.manual_seed(123)
curve = fit(FSRCNN(scale), data, settings, device=torch.device("cpu"), seed=123)
first, last = curve[0], curve[-1]
step = (last.seconds - first.seconds) / (last.step - first.step)
print(json.dumps({"step, ms": step * 1000, "first, s": first.seconds - first.step * step}))
"""


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--before", type=Path, help="a checkout of another state")
    parser.add_argument("--scale", type=int, choices=SCALES, default=4)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    states = {"now": NOW, **({"before": arguments.before.resolve()} if arguments.before else {})}
    best: dict[str, dict[str, float]] = {name: {} for name in states}
    for _ in range(arguments.rounds):
        for name, state in states.items():
            for key, value in _measured(state, arguments.scale, arguments.threads).items():
                best[name][key] = min(value, best[name].get(key, value))
    print(f"x{arguments.scale}, {arguments.threads} threads, {processor_name()}\n")
    print("| | a step, ms | first, s |\n| --- | --- | --- |")
    for name, figures in best.items():
        print(f"| {name} | {figures['step, ms']:.1f} | {figures['first, s']:.1f} |")


def _measured(state: Path, scale: int, threads: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {
            "PYTHONPATH": str(state / "src"),
            "XDG_CACHE_HOME": cache,
            "TORCHINDUCTOR_CACHE_DIR": cache,
        }
        command = [sys.executable, "-c", PROGRAM, str(scale), str(threads)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    main()
