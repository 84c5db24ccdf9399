"""FSRCNN super-resolution: data, network, training, evaluation, latency, tracking."""
