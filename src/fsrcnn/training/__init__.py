"""What a training sees and how it is scored, whichever framework runs it: pool, batches, schedule, curve;
and the kernel in C that has the gradients on the CPU.

Imports data, network and `evaluation.quality`; the loops are in fsrcnn.torch and fsrcnn.mindspore.
"""
