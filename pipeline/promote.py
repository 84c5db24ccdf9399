"""Stage `promote`: both networks into MLflow's model registry, and the better one its champion.

python pipeline/promote.py
"""

import json
import logging
from pathlib import Path

import stage

from fsrcnn.files import write_json
from fsrcnn.tracking import runs

KINDS = ("scratch", "transfer")
log = logging.getLogger(__name__)


def promote() -> None:
    """Write `metrics/promotion.json`: which networks may be champion, and why another may not."""
    params = stage.read_params()
    evaluation = json.loads(Path("metrics/evaluate.json").read_text())
    runs.connect(stage.repository_root())
    dataset, protocol = evaluation["champion_by"].split("/")
    scores = evaluation[dataset][protocol]
    bicubic = scores["bicubic"]["psnr"]
    objections = {}
    for kind in KINDS:
        psnr = scores[kind]["psnr"]
        objections[kind] = _objection(params.data.source, evaluation["degradation"], psnr, bicubic)
        candidate = runs.Candidate(
            scale=params.scale,
            psnr=psnr,
            data_digest=evaluation["champion_data"],
            description=f"{dataset}, {protocol} protocol: {psnr:.2f} dB on luma; bicubic {bicubic:.2f} dB",
            eligible=objections[kind] is None,
        )
        runs.promote(Path(f"models/x{params.scale}/{kind}.safetensors"), candidate)
    for objection in dict.fromkeys(filter(None, objections.values())):
        log.info("x%d: not for champion: %s", params.scale, objection)
    write_json(Path("metrics/promotion.json"), {"scale": params.scale, "objections": objections})


def _objection(source: str, degradation: str, psnr: float, bicubic: float) -> str | None:
    """Why a network may not be champion, if anything speaks against it."""
    if source == "sample":
        return "data.source is sample, and the bundled photographs are no benchmark"
    if degradation != "none":
        return f"data.degradation was {degradation}, and champions are compared on clean pictures"
    return None if psnr > bicubic else f"{psnr:.2f} dB is not above bicubic's {bicubic:.2f}"


if __name__ == "__main__":
    stage.main(promote)
