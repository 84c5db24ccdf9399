"""One clip to a larger one, with PyAV: frames, colour tags, time stamps, tracks.

`fsrcnn.upscaling.video` is the door. Everything here imports `av`, which is an extra.
"""
