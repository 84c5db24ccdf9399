"""The network: section 3 of the paper in PyTorch, its weights on disk, the released networks.

Imports nothing of the package but the plumbing (errors, files, settings).
"""
