"""Finished segments to one file, packet by packet, with the source's other tracks beside them."""

import shutil
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.packet import Packet
from av.video.stream import VideoStream

from fsrcnn.errors import InputError
from fsrcnn.files import atomic
from fsrcnn.upscaling.clips.beside import Beside
from fsrcnn.upscaling.clips.encoding import losses
from fsrcnn.upscaling.clips.reading import opened
from fsrcnn.upscaling.clips.source import Source
from fsrcnn.upscaling.clips.timing import rate_of
from fsrcnn.upscaling.clips.transcoding import FORMATS
from fsrcnn.upscaling.clips.work import Work


def finish(work: Work) -> tuple[int, list[str]]:
    """Write the target and delete the segments, all of which are there.

    Returns the number of frames and what there is to say. Raises `InputError` when segments don't go
    together, and PyAV's errors.
    """
    joined = work.folder / f"joined{work.target.suffix}"
    with atomic(joined) as temporary:
        notes = _join(work, temporary)
    joined.replace(work.target)
    shutil.rmtree(work.folder)
    return len(work.survey.stamps), notes


def _join(work: Work, temporary: Path) -> list[str]:
    count, written = len(work.survey.stamps), 0
    container = FORMATS[work.target.suffix.lower()]
    with opened(work.source) as given:
        clip = Source(given, work.source)
        base = clip.video.time_base
        assert base is not None
        with av.open(str(temporary), "w", format=container, metadata_errors="surrogateescape") as made:
            with opened(work.segments[0]) as part:
                like = part.streams.video[0]
                picture = made.add_stream_from_template(like, opaque=True)
                picture.codec_context.codec_tag = like.codec_context.codec_tag
            picture.codec_context.framerate = rate_of(clip.video)
            picture.time_base = base
            beside = Beside(clip.reader, made, picture)
            packets = _packets(work, picture, base)
            for packet in clip.reader.packets():
                # In step with the source, so that its tracks lie side by side as they did.
                due = count if packet is None else clip.reader.read * count // work.survey.packets
                made.mux(list(islice(packets, due - written)))
                made.mux(list(beside.packets()))
                written = due
            made.mux(list(beside.rest()))
        notes = [*losses(clip.first, clip.form, work.quality), *work.survey.notes]
        return notes + beside.notes(temporary)


def _packets(work: Work, picture: VideoStream, base: Fraction) -> Iterator[Packet]:
    """All of the picture's, one for each frame, in the order of the frames, as there are no B frames."""
    stamps, durations = work.survey.stamps, work.survey.durations
    extradata: set[bytes | None] = set()
    for number, path in enumerate(work.segments):
        with opened(path) as part:
            extradata.add(part.streams.video[0].codec_context.extradata)
            if len(extradata) > 1:
                raise InputError(f"{path}: written by another encoder than the others; delete {work.folder}")
            packets = (packet for packet in part.demux(video=0) if packet.size)
            for frame, packet in zip(work.frames(number), packets, strict=True):
                packet.stream, packet.time_base = picture, base
                packet.pts = packet.dts = stamps[frame]
                packet.duration = durations[frame]
                yield packet
