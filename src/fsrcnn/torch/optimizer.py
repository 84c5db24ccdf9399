"""The two optimisers: Adam, as the reference has it, and SOAP, which this project prefers."""

import torch

from fsrcnn.network.model import FSRCNN
from fsrcnn.torch.soap import SOAP

FUSED = ("cpu", "cuda")  # devices for which torch has Adam as one kernel


def build_optimizer(
    network: FSRCNN, name: str, learning_rate: float, deconvolution_lr_factor: float
) -> torch.optim.Optimizer:
    """An optimiser of the parameters that require a gradient.

    The deconvolution learns at `learning_rate * deconvolution_lr_factor`.
    """
    last = set(network.deconvolution.parameters())
    groups = [
        {
            "params": [p for p in network.parameters() if p.requires_grad and p not in last],
            "lr": learning_rate,
        },
        {
            "params": [p for p in network.parameters() if p.requires_grad and p in last],
            "lr": learning_rate * deconvolution_lr_factor,
        },
    ]
    groups = [group for group in groups if group["params"]]
    if name == "adam":
        is_fused = network.deconvolution.weight.device.type in FUSED
        return torch.optim.Adam(groups, lr=learning_rate, fused=is_fused)
    return SOAP(groups, lr=learning_rate)
