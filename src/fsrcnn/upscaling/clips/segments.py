"""A clip in segments, each written by itself and whole, and joined at the end without encoding again.

A segment is a clip with the picture alone. It depends on nothing but its `Work`, its number and the network,
so that it does not matter which process writes it, when, or after which other.

    work = begin(source, target, upscaler, quality)
    for number in work.missing():
        write_segment(work, number, upscaler)
    frames, notes = finish(work)
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import av
from av.video.frame import VideoFrame
from tqdm import tqdm

from fsrcnn.errors import InputError
from fsrcnn.files import atomic, remove_leftovers
from fsrcnn.upscaling.clips.deinterlacing import progressive
from fsrcnn.upscaling.clips.joining import finish
from fsrcnn.upscaling.clips.reading import opened
from fsrcnn.upscaling.clips.source import Source
from fsrcnn.upscaling.clips.survey import frames_from
from fsrcnn.upscaling.clips.transcoding import FORMATS
from fsrcnn.upscaling.clips.work import BEFORE, Work, begin
from fsrcnn.upscaling.image import Upscaler
from fsrcnn.upscaling.planning import Encoding

THREADS = 4  # of an encoder: what it writes depends on it, and must not on the machine


def upscale_in_segments(
    source: Path, target: Path, upscaler: Upscaler, quality: Encoding
) -> tuple[int, list[str]]:
    """Write `target`, from the segments that are there on; the number of frames, and what there is to say.

    Raises what `begin`, `write_segment` and `finish` raise.
    """
    work = begin(source, target, upscaler, quality)
    missing, total = work.missing(), len(work.survey.stamps)
    done = total - sum(len(work.frames(number)) for number in missing)
    with tqdm(desc="upscale", unit="frame", total=total, initial=done, disable=None) as bar:
        for number in missing:
            write_segment(work, number, upscaler, bar.update)
    return finish(work)


def write_segment(
    work: Work, number: int, upscaler: Upscaler, tick: Callable[[], object] = lambda: None
) -> None:
    """Write the file of one segment; `tick` is called after each frame.

    What a killed process left of it is deleted. Raises `InputError` when the source was changed, or
    the target can't hold it, and PyAV's errors.
    """
    wanted, written = work.frames(number), 0
    remove_leftovers(work.segments[number])
    container = FORMATS[work.target.suffix.lower()]
    with opened(work.source) as given, atomic(work.segments[number]) as temporary:
        clip = Source(given, work.source)
        with av.open(str(temporary), "w", format=container) as made:
            encoder = clip.encoder(made, work.target, upscaler.scale, work.quality, THREADS)
            for large in clip.upscaled(_pictures(work, wanted, clip), upscaler):
                made.mux(encoder.encode(large))
                written += 1
                tick()
            made.mux(encoder.encode(None))
        if written != len(wanted):
            raise InputError(f"{work.source}: was changed while it was upscaled")


def _pictures(work: Work, wanted: range, clip: Source) -> Iterator[VideoFrame]:
    """The frames of these numbers, progressive, with times that begin at 0."""
    stamps, durations, marks = work.survey.stamps, work.survey.durations, work.survey.marks
    start = max(0, wanted.start - BEFORE)

    def timed() -> Iterator[VideoFrame]:
        numbers = range(start, len(stamps))
        found = frames_from(work.source, clip.reader.first, start, marks.get(start))
        for number, frame in zip(numbers, found, strict=False):
            frame.pts, frame.duration = stamps[number] - stamps[wanted.start], durations[number]
            yield frame

    return islice(progressive(timed(), []), wanted.start - start, wanted.stop - start)
