"""Upscale a video clip: the door to `fsrcnn.upscaling.clips`, which needs PyAV."""

import importlib.util
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fsrcnn.errors import InputError
from fsrcnn.files import atomic
from fsrcnn.upscaling.image import Upscaler
from fsrcnn.upscaling.planning import CLIP_TARGETS, Encoding

LOG = logging.getLogger(__name__)


def upscale_clip(
    source: Path, target: Path, upscaler: Upscaler, quality: Encoding, *, resume: bool = False
) -> tuple[int, float]:
    """Write `target`; returns its frames and the seconds taken. docs/upscaling.md says what becomes of what.

    With `resume` it is made of segments that outlive a kill, and goes on with those that are there.
    What was mended on the way, and what `target` can't keep, is one warning in the log.

    Raises `InputError` when PyAV is not installed, the source is no readable clip, or the target can't hold
    it or can't be written.
    """
    start = time.perf_counter()
    with _errors_of(source, target):
        from fsrcnn.upscaling.clips.segments import upscale_in_segments
        from fsrcnn.upscaling.clips.transcoding import transcode

        if resume:
            frames, notes = upscale_in_segments(source, target, upscaler, quality)
        else:
            with atomic(target) as temporary:
                frames, notes = transcode(source, target, temporary, upscaler, quality)
    if notes:
        LOG.warning("%s: %s", source, "; ".join(notes))
    return frames, time.perf_counter() - start


def check_clip(source: Path, target: Path) -> None:
    """Raise `InputError` when PyAV is not installed, or the target is of a kind that is not written."""
    if importlib.util.find_spec("av") is None:
        raise InputError(f"{source}: clips need PyAV; run pip install 'fsrcnn[video]'")
    if target.suffix.lower() not in CLIP_TARGETS:
        raise InputError(f"{target}: clips are written as {', '.join(CLIP_TARGETS)}; name one with -o")


def missing_segments(source: Path, target: Path, upscaler: Upscaler, quality: Encoding) -> list[int]:
    """Begin a clip as `upscale_clip` does with `resume`; the numbers of the segments that are to be written.

    Raises `InputError` as it does.
    """
    with _errors_of(source, target):
        from fsrcnn.upscaling.clips.work import begin

        return begin(source, target, upscaler, quality).missing()


def upscale_segment(source: Path, target: Path, upscaler: Upscaler, quality: Encoding, number: int) -> None:
    """Write one of them, in whichever process; when all are there, `upscale_clip` with `resume` joins them.

    Raises `InputError` as it does, and where this process can't go on with what another has begun.
    """
    with _errors_of(source, target):
        from fsrcnn.upscaling.clips.segments import write_segment
        from fsrcnn.upscaling.clips.work import begun

        work = begun(source, target, upscaler, quality)
        if work is None:
            raise InputError(
                f"{source}: was changed while it was upscaled, or a worker sees another file system or has "
                "another version of fsrcnn or PyAV than the others"
            )
        write_segment(work, number, upscaler)


@contextmanager
def _errors_of(source: Path, target: Path) -> Iterator[None]:
    """Make `InputError` of what PyAV and the system raise on the way from one to the other."""
    check_clip(source, target)
    import av

    try:
        yield
    except av.FFmpegError as error:
        if error.filename and error.filename != f"file:{source}":
            raise InputError(f"{target}: can't be written ({error.strerror})") from None
        raise InputError(f"{source}: not upscaled ({error.strerror})") from None
    except OSError as error:
        raise InputError(f"{target}: can't be written ({error.strerror})") from None
