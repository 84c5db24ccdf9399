"""Stage `evaluate`: PSNR and SSIM of bicubic, the network from scratch and the transferred one.

python pipeline/evaluate.py
"""

import csv
import json
from pathlib import Path

import stage

from fsrcnn import device
from fsrcnn.data import hdf5
from fsrcnn.data.prepared import joined
from fsrcnn.evaluation.comparison import draw_comparison
from fsrcnn.evaluation.degraded import evaluate_degraded, summarize_degraded
from fsrcnn.evaluation.scores import Score, data_digest, evaluate, evaluation_files, on_device, summarize
from fsrcnn.files import atomic, write_json
from fsrcnn.network import checkpoint
from fsrcnn.network.weights import read_metadata
from fsrcnn.tracking import runs

KINDS = ("scratch", "transfer")


def evaluate_networks() -> None:
    """Write `metrics/evaluate.json`, `metrics/images.csv` and the picture `plots/comparison.png`."""
    params = stage.read_params()
    where = device.choose(params.device, params.framework)
    runs.connect(stage.repository_root())
    data = Path(f"data/x{params.scale}")
    files = {kind: Path(f"models/x{params.scale}/{kind}.safetensors") for kind in KINDS}
    networks = {kind: on_device(checkpoint.load(path), where) for kind, path in files.items()}
    tensors = device.of_tensors(where)
    sources = json.loads((data / "sources.json").read_text(encoding="utf-8"))
    sets = list(sources["evaluation"])
    scores = evaluate(data / "evaluation", params.scale, networks, tensors, sets)
    summary = summarize(scores)
    degraded = summarize_degraded(
        evaluate_degraded(data / "evaluation", params.scale, networks, tensors, sets)
    )

    picture = Path("plots/comparison.png")
    first = evaluation_files(data / "evaluation", sets)[0]
    pairs = hdf5.read_pairs(first, params.scale)
    shown = max(pairs, key=lambda pair: float(pair.hr.std()))
    draw_comparison(shown, params.scale, networks["scratch"], tensors, picture)
    with atomic(Path("metrics/images.csv")) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(Score._fields)
        table.writerows((*s[:4], f"{s.psnr:.4f}", f"{s.ssim:.5f}") for s in scores)
    measured_on = [
        runs.Dataset(
            "/".join(file.stem.rsplit("_", 1)),
            file,
            data_digest(file, params.scale),
            hdf5.attributes(file)["made"],
            context="evaluation",
        )
        for file in evaluation_files(data / "evaluation", sets)
    ]
    write_json(
        Path("metrics/evaluate.json"),
        {
            "scale": params.scale,
            "train_data": joined(list(sources["train"])),
            "degradation": read_metadata(files["scratch"]).get("degradation", "none"),
            "champion_by": measured_on[0].name,
            "champion_data": measured_on[0].sha256,
            **summary,
            "degraded": degraded,
        },
    )
    for kind, path in files.items():
        values = {
            f"{dataset}/{protocol}/{name}": value
            for dataset, protocols in summary.items()
            for protocol, methods in protocols.items()
            for name, value in methods[kind].items()
        }
        for dataset, degradations in degraded.items():
            values |= {f"{dataset}/{name}/psnr": psnr[kind] for name, psnr in degradations.items()}
        runs.add_to_run(path, values, [picture] if kind == "scratch" else [], measured_on)


if __name__ == "__main__":
    stage.main(evaluate_networks)
