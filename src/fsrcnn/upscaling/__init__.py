"""Whole pictures and clips: luma through the network, colour and transparency beside it.

Imports pictures, inference, data and the parts of network without torch; neither torch nor MLflow.
"""
