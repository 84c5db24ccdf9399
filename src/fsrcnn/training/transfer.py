"""The transfer strategy of section 3.4: keep one scale's convolutions, train a new deconvolution."""

from typing import Annotated

from pydantic import Field

from fsrcnn.network.model import FSRCNN
from fsrcnn.scales import Scale
from fsrcnn.settings import Settings
from fsrcnn.training.loop import TrainSettings


class FinetuneSettings(Settings):
    """The `finetune` section of params.yaml; what it leaves out is as in `train`."""

    source_scale: Scale
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    epochs: Annotated[int, Field(ge=1)]
    ema_decay: Annotated[float, Field(ge=0, lt=1)]

    def applied_to(self, train: TrainSettings) -> TrainSettings:
        """The training settings of the fine-tuning; its learning rate is the deconvolution's."""
        changes = self.model_dump(exclude={"source_scale"})
        return train.model_copy(update={**changes, "deconvolution_lr_factor": 1.0})


def transfer(source: FSRCNN, scale: int) -> FSRCNN:
    """A network for `scale` with the source's convolutions, frozen, and a fresh deconvolution.

    The scale may be the source's own: then the deconvolution alone is trained anew.
    """
    network = FSRCNN(scale, source.d, source.s, source.m)
    kept = {k: v for k, v in source.state_dict().items() if not k.startswith("deconvolution.")}
    network.load_state_dict(kept, strict=False)
    network.requires_grad_(False)
    network.deconvolution.requires_grad_(True)
    return network
