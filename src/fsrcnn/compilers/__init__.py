"""What makes kernels for the processor that is there: the C compiler and NVIDIA's for CUDA; and `vectors.h`,
which every source in C includes.

Imports `errors` and `files`; inference, training, torch and setup.py import it.
"""
