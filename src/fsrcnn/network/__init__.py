"""The network: section 3 of the paper in PyTorch, its weights as arrays and on disk, the released ones.

`weights` and `deconvolution` need no torch: they are what runs the network elsewhere. Imports nothing of
the package but the plumbing (errors, files, limits, settings, system).
"""
