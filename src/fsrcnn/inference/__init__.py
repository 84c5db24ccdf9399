"""The trained network at full speed: what runs it (`backends`), in windows where it is large (`tiling`).

Imports network, and nothing of data. Only `subpixel` imports torch, and is imported by those who ask for it.
"""
