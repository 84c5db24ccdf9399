"""From the links, HDF5 files and pictures to LR and HR luma. NumPy, Pillow and h5py; no torch.

Imports pictures, and the plumbing (errors, files, settings).
"""
