"""FSRCNN super-resolution: data, network, training, evaluation, latency, tracking.

`load_pretrained(scale)` returns a released network.
"""

from fsrcnn.pretrained import load_pretrained

__all__ = ["load_pretrained"]
