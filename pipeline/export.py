"""Stage `export`: the network from scratch as an ONNX file, checked against the plain network.

python pipeline/export.py
"""

from dataclasses import replace
from pathlib import Path

import stage
import torch

from fsrcnn.errors import InputError
from fsrcnn.files import atomic, sha256
from fsrcnn.inference.onnx_graph import difference, to_onnx
from fsrcnn.network.checkpoint import network_of
from fsrcnn.network.weights import load

LIMIT = 1e-4  # of luma in 0..1; 8-bit grey levels are 4e-3 apart


def export() -> None:
    """Write `models/x<scale>/fsrcnn.onnx`."""
    params = stage.read_params()
    weights = Path(f"models/x{params.scale}/scratch.safetensors")
    trained = load(weights)
    model = to_onnx(replace(trained, metadata={**trained.metadata, "weights_sha256": sha256(weights)}))
    network = network_of(trained)
    largest = difference(model, lambda y: network(torch.from_numpy(y)).detach().numpy())
    if not largest <= LIMIT:
        raise InputError(
            f"{weights}: its ONNX form differs from the network by {largest:.1g}, more than {LIMIT}; "
            "train again, or try another version of onnx"
        )
    with atomic(weights.with_name("fsrcnn.onnx")) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
    print(f"ONNX model: largest difference from the network {largest:.1g}")


if __name__ == "__main__":
    stage.main(export)
