"""Figures of others, as published: nothing here was measured by this project."""

# Set5, x4: model, device, PSNR in dB, seconds an epoch.
PUBLISHED_TRAINING = [
    ("FSRCNN, paper", "", "30.55", ""),
    ("FSRCNN, reference repository", "", "30.50", ""),
    ("FSRCNN-Torch", "Tesla P100", "30.44", "210"),
    ("FSRCNN-MS (MindSpore)", "Tesla P100", "30.15", "320"),
    ("FSRCNN-MS (MindSpore)", "Ascend 910A", "30.18", "360"),
]
# Set5, x4, batch of 8: median of 1000 calls, in ms.
PUBLISHED_INFERENCE = [
    ("FSRCNN-Torch", "Tesla P100", "6"),
    ("FSRCNN-MS (MindSpore)", "Tesla P100", "13"),
    ("FSRCNN-MS (MindSpore)", "Ascend 910A", "20"),
]
# Set5, trained on the 91 images: PSNR in dB at x2, x3, x4, by the protocol it was measured with.
PUBLISHED_SET5 = {
    "reference": [
        ("reference repository", 37.12, 33.22, 30.50),
        ("PyTorch port, 3000 epochs", 37.09, 33.06, 30.66),
    ],
    "standard": [("paper", 36.94, 33.06, 30.55)],
}
# Set5, close to the standard protocol: network, its weights at x2, what it was trained on, PSNR in dB at x2,
# x3 and x4, source. Only what a source was found for; each project's own bicubic differs by up to 0.2 dB.
OTHER_PICTURES = [
    ("FSRCNN", "12,464", "91-image, General-100", 37.00, 33.16, 30.71, "as usually cited"),
    ("FSRCNN in RGB", "24.7K", "DIV2K", 37.00, 33.01, 30.76, "ETDS, bicubic 33.95 / 30.61 / 28.60"),
    ("ECBSR-M4C16 in RGB", "11.6K", "DIV2K", 37.18, 33.07, 30.87, "the same table"),
    ("ECBSR-M4C16", "10.2K", "DIV2K", 37.33, None, None, "ECBSR"),
    ("SESR-M3", "9.0K", "DIV2K", 37.21, None, 30.75, "arXiv 2103.09404"),
    ("SESR-M5", "13.5K", "DIV2K", 37.39, None, 30.99, "arXiv 2103.09404"),
]
