"""Stage `export`: the network from scratch for other programs, each file checked against the network.

python pipeline/export.py
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import stage
import torch
from onnx import load_from_string

from fsrcnn.errors import InputError
from fsrcnn.export.opencv_graph import constants
from fsrcnn.export.targets import TARGETS
from fsrcnn.files import atomic, atomic_folder, sha256
from fsrcnn.inference.onnx_graph import difference
from fsrcnn.network.checkpoint import network_of
from fsrcnn.network.weights import Weights, load

LIMIT = 1e-4  # of luma in 0..1; 8-bit grey levels are 4e-3 apart
FILES = {  # beside fsrcnn.onnx
    "mpv": "fsrcnn.glsl",
    "mpv-fragment": "fsrcnn-fragment.glsl",
    "opencv": "fsrcnn.pb",
    "web": "fsrcnn.html",
}


def export() -> None:
    """Write `models/x<scale>/fsrcnn.onnx`, and the other forms to `models/x<scale>/export/`.

    A network that is too large for a form is no error: the form is left out, and it is said.
    """
    params = stage.read_params()
    path = Path(f"models/x{params.scale}/scratch.safetensors")
    trained = load(path)
    named = replace(trained, metadata={**trained.metadata, "weights_sha256": sha256(path)})
    model = TARGETS["onnx"](named)
    network = network_of(trained)
    largest = difference(load_from_string(model), lambda y: network(torch.from_numpy(y)).detach().numpy())
    if not largest <= LIMIT:
        raise InputError(
            f"{path}: its ONNX form differs from the network by {largest:.1g}, more than {LIMIT}; "
            "train again, or try another version of onnx"
        )
    with atomic(path.with_name("fsrcnn.onnx")) as temporary:
        temporary.write_bytes(model)
    print(f"onnx: largest difference from the network {largest:.1g}")
    with atomic_folder(path.with_name("export")) as folder:
        for target, name in FILES.items():
            try:
                content = TARGETS[target](named)
            except InputError as error:
                print(f"{target}: left out ({error})")
                continue
            if not _holds(content, target, trained):
                raise AssertionError(f"{target}: {name} does not hold the weights of {path}")
            (folder / name).write_bytes(content)
            print(f"{target}: {len(content):,} bytes")


def _holds(content: bytes, target: str, network: Weights) -> bool:
    """Whether the weights are found in a file again; a page packs its own, and is checked in a browser."""
    convolutions = network.convolutions()
    if target == "opencv":
        found = constants(content)
        kernels = [found[f"convolution{i}/0"].transpose(3, 2, 0, 1) for i in range(len(convolutions))]
        return all(
            np.array_equal(kernel, layer[0]) for kernel, layer in zip(kernels, convolutions, strict=True)
        )
    if target.startswith("mpv"):
        numbers = set(re.findall(r"-?[\d.]+(?:e[-+]\d+)?", content.decode()))
        return all(f"{x:.6g}" in numbers for array in network.arrays.values() for x in array.ravel().tolist())
    return True


if __name__ == "__main__":
    stage.main(export)
