"""How good and how fast a network is: PSNR and SSIM, latency, the report.

Imports data, network and inference; `quality`, which training uses, imports nothing of the package.
"""
