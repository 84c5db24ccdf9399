"""From links, HDF5 files and pictures to pairs of LR and HR luma. NumPy, Pillow and h5py; no torch.

Imports pictures and the plumbing, and nothing of network.
"""
