"""What a training sees and how it is scored, whichever framework runs it: pool, batches, schedule, curve.

Imports data, network and `evaluation.quality`; the loops are in fsrcnn.torch and fsrcnn.mindspore.
"""
