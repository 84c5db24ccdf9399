"""The two optimisers: Adam, as the reference has it, and SOAP, which this project prefers.

SOAP ("Improving and Stabilizing Shampoo using Adam", arXiv 2409.11321) runs Adam in the eigenbasis
of Shampoo's preconditioner; on a network this small the eigenbases cost next to nothing.
"""

import torch
from pytorch_optimizer import SOAP

from fsrcnn.model import FSRCNN


def build_optimizer(
    network: FSRCNN, name: str, learning_rate: float, deconvolution_rate: float
) -> torch.optim.Optimizer:
    """An optimiser of the parameters that require a gradient.

    The deconvolution learns at `learning_rate * deconvolution_rate`.
    """
    last = set(network.deconvolution.parameters())
    groups = [
        {
            "params": [p for p in network.parameters() if p.requires_grad and p not in last],
            "lr": learning_rate,
        },
        {
            "params": [p for p in network.parameters() if p.requires_grad and p in last],
            "lr": learning_rate * deconvolution_rate,
        },
    ]
    groups = [group for group in groups if group["params"]]
    if name == "adam":
        return torch.optim.Adam(groups, lr=learning_rate, fused=True)
    return SOAP(
        groups,
        lr=learning_rate,
        betas=(0.95, 0.95),
        weight_decay=0.0,
        precondition_frequency=10,
    )
