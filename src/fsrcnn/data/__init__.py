"""What is in the HDF5 files and pictures, as LR and HR luma. NumPy, Pillow and h5py; no torch.

Imports pictures and the plumbing, and nothing of network.
"""
