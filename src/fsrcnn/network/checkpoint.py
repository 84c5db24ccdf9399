"""Weights on disk: one safetensors file a network, which says itself what network it is."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from fsrcnn.errors import InputError
from fsrcnn.files import atomic
from fsrcnn.network.model import FSRCNN, ModelSettings
from fsrcnn.settings import SCALES

SHAPE_KEYS = ("scale", "d", "s", "m")


def save(network: FSRCNN, path: Path, metadata: dict[str, str]) -> None:
    """Write the network's weights (float32) with its scale, d, s, m and `metadata`, atomically."""
    shape = {key: str(getattr(network, key)) for key in SHAPE_KEYS}
    tensors = {
        name: tensor.detach().to("cpu", torch.float32).contiguous()
        for name, tensor in network.state_dict().items()
    }
    content = _sorted_metadata(serialize(tensors, metadata={**metadata, **shape}))
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def load(path: Path) -> FSRCNN:
    """Build the network a file describes and fill it; on the CPU, in evaluation mode.

    Raises `InputError` when the file is missing, is not safetensors, holds another network, or holds
    weights that are not finite.
    """
    metadata = read_metadata(path)
    try:
        shape = {key: int(metadata[key]) for key in SHAPE_KEYS}
    except (KeyError, ValueError):
        raise InputError(f"{path}: no FSRCNN weights (metadata lacks scale, d, s, m)") from None
    try:
        ModelSettings(d=shape["d"], s=shape["s"], m=shape["m"])
    except ValueError:
        raise InputError(f"{path}: impossible network shape in the metadata: {shape}") from None
    if shape["scale"] not in SCALES:
        raise InputError(f"{path}: made for scale {shape['scale']}; there are {SCALES}")
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    # Compared on a device without memory: what the metadata claim may be far larger than the file.
    with torch.device("meta"):
        expected = FSRCNN(**shape).state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        if reason := _misfit(expected.get(name), tensors.get(name)):
            raise InputError(f"{path}: weights do not fit FSRCNN{tuple(shape.values())}: {name} {reason}")
    network = FSRCNN(**shape)
    network.load_state_dict(tensors)
    return network.eval()


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file.

    Raises `InputError` when it is missing or not safetensors.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; train first") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({error})") from None


def _misfit(expected: Tensor | None, found: Tensor | None) -> str | None:
    """What is wrong with a tensor of a file, if anything is."""
    if expected is None:
        return "is no part of it"
    if found is None:
        return "is missing"
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return f"is {found.dtype} {tuple(found.shape)}, not {expected.dtype} {tuple(expected.shape)}"
    return None if found.isfinite().all() else "holds NaN or infinity"


def _sorted_metadata(content: bytes) -> bytes:
    """The same file with its metadata in order: the library's order differs from run to run.

    Without this, equal weights would look changed to DVC.
    """
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
    assert len(text) == size, "the header must keep its length"
    return content[:8] + text + content[8 + size :]
