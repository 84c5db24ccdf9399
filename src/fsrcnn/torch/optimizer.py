"""The two optimisers: Adam, as the reference has it, and SOAP, which this project prefers."""

import logging

import torch

from fsrcnn.errors import InputError
from fsrcnn.network.model import FSRCNN
from fsrcnn.torch.soap import SOAP
from fsrcnn.torch.soap_cuda import CudaStep
from fsrcnn.torch.soap_kernel import CompiledSOAP, ProcessorStep

log = logging.getLogger(__name__)

FUSED = ("cpu", "cuda")  # devices for which torch has Adam as one kernel


@torch.no_grad()
def decay_weights(optimizer: torch.optim.Optimizer | CompiledSOAP, weight_decay: float) -> None:
    """Decoupled weight decay (arXiv 1711.05101), with the learning rates that the optimiser has now.

    Biases and the slopes of PReLU, which have one dimension, keep their values. Without it features grow
    that only later ones take away again, up to where float16 has no digits left.
    """
    for group in optimizer.param_groups:
        weights = [parameter for parameter in group["params"] if parameter.dim() > 1]
        torch._foreach_mul_(weights, 1 - group["lr"] * weight_decay)


def build_optimizer(
    network: FSRCNN, name: str, learning_rate: float, deconvolution_lr_factor: float, *, compile: bool = False
) -> torch.optim.Optimizer | CompiledSOAP:
    """An optimiser of the parameters that require a gradient.

    The deconvolution learns at `learning_rate * deconvolution_lr_factor`. With `compile`, for parameters on
    the CPU and on CUDA, SOAP is a kernel; where that can't be compiled, a warning says so.
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
    if compile:
        try:
            device = network.deconvolution.weight.device
            return CompiledSOAP(groups, ProcessorStep() if device.type == "cpu" else CudaStep(device))
        except InputError as failure:
            log.warning(
                "train.compile: the optimiser can't be compiled here (%s); its steps are slower", failure
            )
    return SOAP(groups, lr=learning_rate)
