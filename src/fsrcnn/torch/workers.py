"""Data-parallel training: what the processes that `torchrun` starts have to know of each other.

Every worker holds the same network, cuts its share of each batch and averages its gradients with
the others, so that the result is that of one process with the whole batch, up to rounding.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from fsrcnn.errors import InputError
from fsrcnn.system import usable_cores


@dataclass(frozen=True)
class Workers:
    """The number of this process among `world_size`; rank 0 writes and logs."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes and logs."""
        return self.rank == 0

    def part(self, batch_size: int) -> slice:
        """The share of this worker in a batch.

        Raises `InputError` when the batch can't be shared equally.
        """
        if batch_size % self.world_size:
            raise InputError(
                f"train.batch_size: {batch_size} can't be shared by {self.world_size} workers; "
                "make it a multiple"
            )
        share = batch_size // self.world_size
        return slice(self.rank * share, (self.rank + 1) * share)

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace the gradients by their mean over the workers."""
        if self.world_size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        self.average(flat)
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def average(self, values: Tensor) -> Tensor:
        """Replace `values` by their mean over the workers, in place."""
        if self.world_size > 1:
            distributed.all_reduce(values)
            values /= self.world_size
        return values


def join(device: torch.device) -> Workers:
    """Join the other workers if `torchrun` started this process; alone otherwise.

    On CUDA and NPU each worker of a machine takes a device of its own; on the CPU they share its cores.
    Raises `InputError` when there are fewer devices than workers.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Workers()
    local_rank, local_count = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if device.type == "cpu":
        torch.set_num_threads(max(1, usable_cores() // local_count))
    else:
        module = torch.get_device_module(device)
        if module.device_count() < local_count:
            raise InputError(
                f"{local_count} workers need {local_count} {device.type} devices; "
                f"this machine has {module.device_count()}"
            )
        module.set_device(local_rank)
    distributed.init_process_group({"cuda": "nccl", "npu": "hccl"}.get(device.type, "gloo"))
    return Workers(distributed.get_rank(), distributed.get_world_size())
