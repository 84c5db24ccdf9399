"""A clip decoded once without upscaling it: its frames' times, and how a reader finds one of them by seeking.

Frames are told apart by their number, since time stamps may be missing, wrong or there twice.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import av
import numpy as np
from av.video.frame import VideoFrame
from tqdm import tqdm

from fsrcnn.upscaling.clips import timing
from fsrcnn.upscaling.clips.deinterlacing import NOTE
from fsrcnn.upscaling.clips.reading import Reader, opened, video_of


class Mark(NamedTuple):
    """A frame: its time stamp as it is read, that of the last key frame until it, and a digest of it."""

    stamp: int | None
    key: int | None
    digest: int


class Survey(NamedTuple):
    """`stamps` and `durations` of all frames, mended; `packets`: how many the video has; `notes` on both."""

    stamps: Sequence[int]
    durations: Sequence[int]
    marks: dict[int, Mark]
    packets: int
    notes: list[str]


def survey(source: Path, every: int, before: int) -> Survey:
    """Read a clip that has video; the frame that is `before` each one of a number of `every` gets a mark."""
    stamps, durations = array("q"), array("q")
    marks: dict[int, Mark] = {}
    notes: list[str] = []

    def marked(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        key = None
        for number, frame in enumerate(frames):
            if frame.interlaced_frame and not notes:
                notes.append(NOTE)
            if frame.key_frame:
                key = timing.stamp_of(frame)
            if (number + before) % every == 0:
                marks[number] = Mark(timing.stamp_of(frame), key, digest(frame))
            yield frame

    with opened(source) as given:
        reader = _reader(given, None)
        frames = timing.mended(marked(reader.frames()), *timing.steps(reader.video))
        for frame in tqdm(frames, "survey", reader.video.frames or None, unit="frame", disable=None):
            assert frame.pts is not None
            stamps.append(frame.pts)
            durations.append(frame.duration)
        return Survey(stamps, durations, marks, reader.read, notes + reader.notes())


def frames_from(
    source: Path, first: VideoFrame | None, number: int, mark: Mark | None
) -> Iterator[VideoFrame]:
    """The frames from a number on as `Reader` has them: sought by its mark, else counted from the beginning.

    `first` is the clip's first frame.
    """
    if mark is not None and mark.stamp is not None and mark.key is not None:
        with opened(source) as given:
            reader = _reader(given, first)
            with suppress(av.FFmpegError):  # a kind of file in which nothing can be sought
                given.seek(mark.key, stream=reader.video)
                frames = reader.frames()
                frame = next((f for f in frames if (timing.stamp_of(f) or 0) >= mark.stamp), None)
                if frame and (timing.stamp_of(frame), digest(frame)) == (mark.stamp, mark.digest):
                    yield frame
                    yield from frames
                    return
    with opened(source) as given:
        yield from islice(_reader(given, first).frames(), number, None)


def digest(frame: VideoFrame) -> int:
    """A checksum of the first plane, but for the right part of packed pixels and what pads its rows."""
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return crc32(rows[: plane.height, : plane.width].tobytes())


def _reader(given: av.container.InputContainer, first: VideoFrame | None) -> Reader:
    video = video_of(given)
    assert video is not None
    reader = Reader(given, video, first)
    reader.aside = deque(maxlen=0)  # the other tracks are passed on when the segments are joined
    return reader
