"""The training loop in PyTorch: loss and gradients, SOAP and its kernels in C and CUDA, averaged weights,
resuming, workers.

Imports training, network and `evaluation.quality`; fsrcnn.mindspore is the same in MindSpore.
"""
