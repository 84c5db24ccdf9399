"""How much the result of the recipe of params.yaml depends on the seed.

    python benchmarks/seeds.py --scale 4 --seeds 1 2 3

Trains one network from scratch for each seed, as the stage `train` does, and prints the PSNR on the
held-out photographs and on every evaluation set, then mean and sample standard deviation. Add, for
FSRCNN-s, `--model 32 5 1`; `--epochs 128` shows what a longer training brings.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import yaml

from fsrcnn.evaluation.scores import evaluate, summarize
from fsrcnn.limits import SCALES
from fsrcnn.network.model import FSRCNN, weight_count
from fsrcnn.settings import TrainSettings
from fsrcnn.system import processor_name
from fsrcnn.torch.loop import fit
from fsrcnn.training import loading

CPU = torch.device("cpu")


def main() -> None:
    """Train, and print a line for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scale", type=int, choices=SCALES, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--model", type=int, nargs=3, metavar=("D", "S", "M"), help="default: params.yaml's")
    parser.add_argument("--epochs", type=int, help="default: params.yaml's")
    arguments = parser.parse_args()
    params = yaml.safe_load(Path("params.yaml").read_text())
    if arguments.epochs is not None:
        params["train"]["epochs"] = arguments.epochs
    settings = TrainSettings.parse("train", params["train"])
    shape = arguments.model or [params["model"][name] for name in ("d", "s", "m")]
    folder = Path(f"data/x{arguments.scale}")
    network = FSRCNN(arguments.scale, *shape)
    print(f"FSRCNN{tuple(shape)}, {weight_count(network)} weights, x{arguments.scale}")
    print(f"{processor_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}", flush=True)
    rows = []
    for seed in arguments.seeds:
        torch.compiler.reset()
        data = loading.load(folder / "train", arguments.scale, settings, seed)
        torch.manual_seed(seed)
        network = FSRCNN(arguments.scale, *shape)
        last = fit(network, data, settings, device=CPU, seed=seed)[-1]
        row = {"held-out": last.validation_psnr or float("nan")}
        scores = summarize(evaluate(folder / "evaluation", arguments.scale, {"network": network}, CPU))
        for dataset, protocols in scores.items():
            for protocol, methods in protocols.items():
                row[f"{dataset} {protocol}"] = methods["network"]["psnr"]
        print(f"seed {seed}, {last.seconds:.0f} s of training: {_line(row)}", flush=True)
        rows.append(row)
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    print(f"mean: {_line({name: column.mean() for name, column in table.items()})}")
    if len(rows) > 1:
        print(f"standard deviation: {_line({name: column.std(ddof=1) for name, column in table.items()})}")


def _line(row: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in row.items())


if __name__ == "__main__":
    main()
