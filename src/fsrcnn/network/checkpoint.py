"""Between the network in PyTorch and its weights as arrays, in memory and on disk."""

from collections.abc import Mapping
from pathlib import Path

import torch

from fsrcnn.network import weights
from fsrcnn.network.model import FSRCNN
from fsrcnn.network.weights import Weights


def weights_of(network: FSRCNN, metadata: Mapping[str, str] | None = None) -> Weights:
    """A float32 copy of the network's weights, with where they come from."""
    arrays = {
        name: tensor.detach().to("cpu", torch.float32, copy=True).contiguous().numpy()
        for name, tensor in network.state_dict().items()
    }
    return Weights(network.scale, network.d, network.s, network.m, arrays, metadata or {})


def network_of(given: Weights) -> FSRCNN:
    """The network with a copy of these weights; on the CPU, in evaluation mode."""
    network = FSRCNN(given.scale, given.d, given.s, given.m)
    network.load_state_dict({name: torch.tensor(array) for name, array in given.arrays.items()})
    return network.eval()


def save(network: FSRCNN, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the network's weights as `weights.save` does."""
    weights.save(weights_of(network, metadata), path)


def load(path: Path) -> FSRCNN:
    """The network of a file; on the CPU, in evaluation mode. Raises `InputError` as `weights.load` does."""
    return network_of(weights.load(path))
