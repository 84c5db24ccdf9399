"""Upscale a video clip: the door to `fsrcnn.upscaling.clips`, which needs PyAV."""

import logging
import time
from pathlib import Path

from fsrcnn.errors import InputError
from fsrcnn.files import atomic
from fsrcnn.upscaling.image import Upscaler
from fsrcnn.upscaling.planning import CLIP_TARGETS, Encoding

LOG = logging.getLogger(__name__)


def upscale_clip(source: Path, target: Path, upscaler: Upscaler, quality: Encoding) -> tuple[int, float]:
    """Write `target`; returns its frames and the seconds taken. docs/upscaling.md says what becomes of what.

    What was mended on the way, and what `target` can't keep, is one warning in the log.

    Raises `InputError` when PyAV is not installed, the source is no readable clip, or the target can't hold
    it or can't be written.
    """
    try:
        import av
    except ImportError:
        raise InputError(f"{source}: clips need PyAV; run pip install 'fsrcnn[video]'") from None
    from fsrcnn.upscaling.clips.transcoding import transcode

    if target.suffix.lower() not in CLIP_TARGETS:
        raise InputError(f"{target}: clips are written as {', '.join(CLIP_TARGETS)}; name one with -o")
    start = time.perf_counter()
    try:
        with atomic(target) as temporary:
            frames, notes = transcode(source, target, temporary, upscaler, quality)
    except av.FFmpegError as error:
        if error.filename == str(temporary):
            raise InputError(f"{target}: can't be written ({error.strerror})") from None
        raise InputError(f"{source}: not upscaled ({error.strerror})") from None
    except OSError as error:
        raise InputError(f"{target}: can't be written ({error.strerror})") from None
    if notes:
        LOG.warning("%s: %s", source, "; ".join(notes))
    return frames, time.perf_counter() - start
