"""Whole pictures and clips: luma through the network, colour and transparency beside it.

Imports pictures, inference, network and data.
"""
