"""Stage `export`: the network from scratch as an ONNX file, checked against the plain network.

python pipeline/export.py
"""

from pathlib import Path

import stage

from fsrcnn.errors import InputError
from fsrcnn.files import atomic, sha256
from fsrcnn.inference.onnx_graph import difference, to_onnx
from fsrcnn.network import checkpoint

LIMIT = 1e-4  # of luma in 0..1; 8-bit grey levels are 4e-3 apart


def export() -> None:
    """Write `models/x<scale>/fsrcnn.onnx`."""
    run = stage.read_run()
    weights = Path(f"models/x{run.scale}/scratch.safetensors")
    network = checkpoint.load(weights)
    metadata = checkpoint.read_metadata(weights) | {"weights_sha256": sha256(weights)}
    model = to_onnx(network, metadata)
    largest = difference(model, network)
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
