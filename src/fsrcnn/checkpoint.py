"""Weights on disk: one safetensors file a network, which says itself what network it is."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize

from fsrcnn.errors import InputError
from fsrcnn.files import atomic
from fsrcnn.model import FSRCNN

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

    Raises `InputError` when the file is missing, is not safetensors, or holds another network.
    """
    metadata = read_metadata(path)
    try:
        shape = {key: int(metadata[key]) for key in SHAPE_KEYS}
    except (KeyError, ValueError):
        raise InputError(f"{path}: no FSRCNN weights (metadata lacks scale, d, s, m)") from None
    if shape["scale"] not in (2, 3, 4) or not all(1 <= shape[k] <= 1024 for k in ("d", "s", "m")):
        raise InputError(f"{path}: impossible network shape in the metadata: {shape}")
    network = FSRCNN(**shape)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: weights do not fit FSRCNN{tuple(shape.values())}: {reason}") from None
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
