"""From one container to the other: decode, upscale, encode, and pass on what lies beside the picture.

The network runs in a thread of its own, beside decoding and encoding.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from tqdm import tqdm

from fsrcnn.errors import InputError
from fsrcnn.upscaling.clips import colour_tags, encoding, frames, timing, tracks
from fsrcnn.upscaling.clips.deinterlacing import progressive
from fsrcnn.upscaling.clips.reading import Reader, opened, video_of
from fsrcnn.upscaling.image import Upscaler
from fsrcnn.upscaling.planning import Encoding

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
AHEAD = 3  # frames that wait for the network at most


def transcode(
    source: Path, target: Path, temporary: Path, upscaler: Upscaler, quality: Encoding
) -> tuple[int, list[str]]:
    """Write `temporary`, which becomes `target`; returns the number of frames and what there is to say.

    Raises `InputError` when `source` holds no video or `target` can't hold it, and PyAV's errors.
    """
    notes: list[str] = []
    with opened(source) as given:
        video = video_of(given)
        if video is None:
            raise InputError(f"{source}: no video in this file")
        reader = Reader(given, video)
        pictures = _pictures(reader, notes)
        first = next(pictures, None)
        if first is None:
            raise InputError(f"{source}: no frame of its video can be decoded")
        form = frames.form_of(first.format)
        tags = colour_tags.tags_of(first, rgb=frames.is_rgb(first.format), alpha=form.alpha)
        encoding.tell_losses(first, form, notes)
        if form.alpha and quality != Encoding():
            notes.append("ProRes has neither crf nor preset")
        container = FORMATS[target.suffix.lower()]
        upscale = partial(frames.upscaled, form=form, tags=tags, upscaler=upscaler)
        count = 0
        with av.open(str(temporary), "w", format=container, metadata_errors="surrogateescape") as made:
            encoder = encoding.Encoder(made, target, video, first, form, tags, upscaler.scale, quality)
            beside = tracks.add_tracks(given, made, video, encoder.stream, notes)
            with tqdm(desc="upscale", unit="frame", total=video.frames or None, disable=None) as bar:
                for large in _upscaled_ahead(chain([first], pictures), upscale):
                    made.mux(encoder.encode(large))
                    made.mux(list(_beside(reader, beside)))
                    count += 1
                    bar.update()
            made.mux(encoder.encode(None))
            made.mux(list(_beside(reader, beside)))
            for track in beside.values():
                made.mux(list(track.rest()))
        notes += reader.notes()
        for index, track in beside.items():
            if track.damaged:
                notes.append(f"{track.damaged} damaged packets of track {index} left out")
        lost = tracks.lost(given, temporary, [video, *(given.streams[index] for index in beside)])
        if lost:
            notes.append(f"{target.suffix} can't keep {', '.join(lost)}")
    return count, notes


def _pictures(reader: Reader, notes: list[str]) -> Iterator[VideoFrame]:
    """The clip's frames with good time stamps, and progressive."""
    video = reader.video
    assert video.time_base is not None
    rate = video.average_rate or video.guessed_rate or Fraction(25)
    step, second = max(1, round(1 / (rate * video.time_base))), round(1 / video.time_base)
    return progressive(timing.mended(reader.frames(), step, second), notes)


def _upscaled_ahead(
    pictures: Iterable[VideoFrame], upscale: Callable[[VideoFrame], VideoFrame]
) -> Iterator[VideoFrame]:
    waiting: deque[Future[VideoFrame]] = deque()
    with ThreadPoolExecutor(1) as network:
        for frame in pictures:
            waiting.append(network.submit(upscale, frame))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _beside(reader: Reader, beside: dict[int, tracks.Track]) -> Iterator[Packet]:
    """What is to be written of the packets that were read since the last call."""
    while reader.aside:
        packet = reader.aside.popleft()
        track = beside.get(packet.stream.index)
        if track is not None:
            yield from track.packets(packet)
