"""Put the trained network of the current run into the package, with what it is and what it reaches.

    python scripts/release_weights.py

Run it after `dvc repro`, on a commit that holds that run's metrics: the commit is written into the
file `src/fsrcnn/network/released/x<scale>.safetensors` (`photo-x<scale>.safetensors` where it was trained
with `data.degradation: photo`, `photo-s-x<scale>.safetensors` for FSRCNN-s), beside scale, d, s, m, data,
seed, steps of training and Set5 PSNR. Then run `dvc repro --force --single-item report` and
`python scripts/tables.py`: DVC does not watch the released files, as a release must not retrain.
"""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

from fsrcnn.limits import network_name
from fsrcnn.network import weights

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Copy `models/x<scale>/scratch.safetensors` of the scale that `metrics/evaluate.json` is about."""
    evaluation, training = (
        json.loads((ROOT / f"metrics/{name}.json").read_text()) for name in ("evaluate", "train")
    )
    scale = evaluation["scale"]
    trained = ROOT / f"models/x{scale}/scratch.safetensors"
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()
    psnr = {
        f"psnr_Set5_{protocol}": f"{methods['scratch']['psnr']:.2f}"
        for protocol, methods in evaluation["Set5"].items()
    }
    network = weights.load(trained)
    name = network_name(scale, network.family)
    target = ROOT / f"src/fsrcnn/network/released/{name}.safetensors"
    said = {"steps": str(training["scratch"]["steps"]), "commit": commit, "license": "MIT"}
    metadata = {**network.metadata, **psnr, **said}
    weights.save(replace(network, metadata=metadata), target)
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size} bytes, {psnr}")


if __name__ == "__main__":
    main()
