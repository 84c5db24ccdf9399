"""The transfer strategy of section 3.4: keep one scale's convolutions, train a new deconvolution."""

from fsrcnn.network.model import FSRCNN


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
