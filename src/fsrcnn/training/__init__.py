"""From training files to a trained network: pool, batches, loss, optimiser, resuming, workers.

Imports data, network and `evaluation.quality`: how a network is run or reported does not change it.
"""
