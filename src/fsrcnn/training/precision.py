"""What the products of a training step are computed in; weights and sums are float32 always."""

import logging

import torch

from fsrcnn.device import Device, MindSporeDevice
from fsrcnn.settings import TrainSettings

log = logging.getLogger(__name__)


def has_fast_bfloat16(device: Device) -> bool:
    """Whether bfloat16 is faster there than float32, which on the CPU the kernel in C computes in."""
    if isinstance(device, MindSporeDevice) or device.type != "cuda":
        return False
    return torch.cuda.is_bf16_supported(including_emulation=False)


def with_precision(settings: TrainSettings, device: Device) -> TrainSettings:
    """The settings with precision "auto" replaced by the faster one on the device."""
    if settings.precision != "auto":
        return settings
    precision = "bfloat16" if has_fast_bfloat16(device) else "float32"
    log.info("train.precision: auto is %s on this device", precision)
    return settings.model_copy(update={"precision": precision})
