"""What the products of a training step are computed in; weights and sums are float32 always."""

import logging

import torch

from fsrcnn.device import Device, MindSporeDevice
from fsrcnn.settings import TrainSettings
from fsrcnn.system import processor_flags

log = logging.getLogger(__name__)

FAST_BFLOAT16 = {"avx512_bf16", "amx_bf16"}  # without either, a step takes about 7 times that of float32


def has_fast_bfloat16(device: Device) -> bool:
    """Whether the device multiplies bfloat16 in hardware, so that it is faster than float32."""
    if isinstance(device, MindSporeDevice):
        return False
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(processor_flags() & FAST_BFLOAT16)


def with_precision(settings: TrainSettings, device: Device) -> TrainSettings:
    """The settings with precision "auto" replaced by the faster one on the device."""
    if settings.precision != "auto":
        return settings
    precision = "bfloat16" if has_fast_bfloat16(device) else "float32"
    log.info("train.precision: auto is %s on this device", precision)
    return settings.model_copy(update={"precision": precision})
