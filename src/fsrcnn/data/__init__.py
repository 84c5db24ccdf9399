"""From the links, HDF5 files and pictures to LR and HR luma. NumPy, Pillow and h5py; no torch.

Imports nothing of the package but the plumbing (errors, files, settings).
"""
