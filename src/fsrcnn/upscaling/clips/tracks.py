"""What a clip holds beside its picture: sound, subtitles, covers, attachments, chapters, titles, languages.

A track is copied where the new container can hold it. Sound that it can't hold becomes AAC, and subtitles of
text become the container's own kind of text. What remains is named.
"""

import io
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from fsrcnn.upscaling.clips.reading import opened
from fsrcnn.upscaling.clips.sound import Reencoded
from fsrcnn.upscaling.clips.timing import Clock

TEXT = ("ass", "ssa", "subrip", "srt", "mov_text", "webvtt", "text")
TEXT_OF_CONTAINER = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip"}
# What was written about the old file by the program that made it.
STALE = (
    *("encoder", "duration", "bps", "number_of_", "_statistics", "major_brand", "minor_version"),
    *("compatible_brands", "vendor_id", "alpha_mode"),
)
KINDS = {
    "audio": "sound",
    "subtitle": "subtitles",
    "attachment": "attachment",
    "data": "data",
    "video": "video",
}


class Track(Protocol):
    """One track on its way; `damaged` counts what had to be left out of it."""

    damaged: int

    @property
    def stream(self) -> Stream:
        """Where its packets go."""

    def packets(self, packet: Packet) -> Iterable[Packet]:
        """What there is to write after a packet of the source."""

    def rest(self) -> Iterable[Packet]:
        """What there is to write after the last one."""


class Copied:
    """Packets as they are, with time stamps that increase."""

    def __init__(self, made: OutputContainer, source: Stream) -> None:
        self.stream = made.add_stream_from_template(source, opaque=True)
        self.clock = Clock()
        self.damaged = 0

    def packets(self, packet: Packet) -> Iterable[Packet]:
        """The packet itself."""
        self.clock.mend(packet)
        packet.stream = self.stream
        return (packet,)

    def rest(self) -> Iterable[Packet]:
        """Nothing."""
        return ()


class Cover:
    """A cover picture as an attachment, which is what Matroska has for it."""

    def __init__(self, made: OutputContainer, source: Stream) -> None:
        kind = "png" if source.name == "png" else "jpeg"
        name = source.metadata.get("filename", f"cover.{kind.replace('e', '')}")
        self.stream = made.add_attachment(name, f"image/{kind}", bytes(_first_packet(source)))
        self.damaged = 0

    def packets(self, packet: Packet) -> Iterable[Packet]:
        """Nothing: attachments stand in the header."""
        return ()

    def rest(self) -> Iterable[Packet]:
        """Nothing."""
        return ()


class Rewritten:
    """Subtitles of text in the container's own kind of text."""

    def __init__(self, made: OutputContainer, source: SubtitleStream) -> None:
        self.source = source
        self.stream = made.add_stream(TEXT_OF_CONTAINER[made.format.name])
        source.codec_context.open()
        context: Any = self.stream.codec_context
        context.subtitle_header = source.codec_context.subtitle_header
        context.time_base = source.time_base
        self.encoder = context
        self.clock = Clock()
        self.damaged = 0

    def packets(self, packet: Packet) -> Iterable[Packet]:
        """One packet for each one that shows anything."""
        self.clock.mend(packet)
        try:
            texts = self.source.codec_context.decode2(packet)
        except av.FFmpegError:
            self.damaged += 1
            return
        if texts:
            text = self.encoder.encode_subtitle(texts)
            text.pts, text.dts, text.duration = packet.pts, packet.dts, packet.duration
            text.time_base, text.stream = packet.time_base, self.stream
            yield text

    def rest(self) -> Iterable[Packet]:
        """Nothing."""
        return ()


def add_tracks(
    given: InputContainer, made: OutputContainer, video: VideoStream, enlarged: VideoStream, notes: list[str]
) -> dict[int, Track]:
    """Add a stream for every track but `video`, which becomes `enlarged`; they come by index in the source.

    Titles, languages, dispositions and chapters go along. What can't be kept is added to `notes`.
    """
    made.set_chapters(given.chapters())
    made.metadata.update(_lasting(given.metadata))
    _describe(enlarged, video)
    tracks: dict[int, Track] = {}
    for source in given.streams:
        if source is video or _is_written_anew(source, given):
            continue
        track = _track(made, source, notes)
        if track is None:
            name = getattr(source, "name", None)
            notes.append(f"{KINDS.get(source.type, source.type)} track {source.index} ({name}) left out")
            continue
        _describe(track.stream, source)
        tracks[source.index] = track
    return tracks


def lost(given: InputContainer, target: Path, kept: list[Stream]) -> list[str]:
    """What the finished file doesn't tell of titles, languages, dispositions and chapters of the source.

    `kept` are the source's streams in the order of those of `target`. Containers drop silently what they have
    no place for.
    """
    with opened(target) as made:
        losses = _missing("", given.metadata, made.metadata)
        if len(made.chapters()) != len(given.chapters()):
            losses.append("chapters")
        for before, after in zip_longest(kept, list(made.streams)[: len(kept)]):
            where = f" of track {before.index}"
            if after is None:
                losses.append(f"track {before.index}")
                continue
            losses += _missing(where, before.metadata, after.metadata)
            losses += [f"{flag.name}{where}" for flag in before.disposition & ~after.disposition]
    return losses


def _track(made: OutputContainer, source: Stream, notes: list[str]) -> Track | None:
    container = made.format.name
    if source.type == "video" and container == "matroska" and source.disposition & Disposition.attached_pic:
        return Cover(made, source)
    if _can_hold(container, source):
        return Copied(made, source)
    if isinstance(source, AudioStream) and source.codec_context is not None and source.rate:
        track = Reencoded(made, source)
        notes.append(f"sound track {source.index} ({source.name}) becomes AAC")
        if track.layout == "stereo" and source.channels != 2:
            notes.append(f"its {source.channels} channels become {track.layout}")
        return track
    if isinstance(source, SubtitleStream) and source.codec_context is not None and source.name in TEXT:
        notes.append(f"subtitles track {source.index} ({source.name}) becomes plain text")
        return Rewritten(made, source)
    return None


def _can_hold(container: str, source: Stream) -> bool:
    """Tried in memory with the first packet of sound, since each container has its own exceptions."""
    cover = bool(source.disposition & Disposition.attached_pic) and container == "mp4"
    if source.type == "data" or (source.type == "video" and not cover):
        return False
    if container == "mp4" and str(getattr(source, "name", "")).startswith("pcm"):
        return False  # there is a standard for it since 2018, but most players make no sound or noise of it
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            copied = trial.add_stream_from_template(source, opaque=True)
            trial.start_encoding()
            if source.type == "audio":
                packet = _first_packet(source)
                packet.stream, packet.pts, packet.dts = copied, 0, 0
                trial.mux(packet)
    except (ValueError, av.FFmpegError):
        return False
    return True


def _first_packet(source: Stream) -> Packet:
    """Read from the file anew; the one without data, if the track is empty."""
    with opened(Path(source.container.name.removeprefix("file:"))) as given:
        packet = next(given.demux(given.streams[source.index]))
        assert isinstance(packet, Packet)
        return packet


def _describe(stream: Stream, source: Stream) -> None:
    stream.metadata.update(_lasting(source.metadata))
    stream.disposition = source.disposition


def _is_written_anew(source: Stream, given: InputContainer) -> bool:
    """MP4 stores titles of chapters and a time code as tracks; we have them as chapters and as metadata."""
    chapters = bool(given.chapters()) and getattr(source, "name", None) == "bin_data"
    return source.type == "data" and (chapters or "timecode" in source.metadata)


def _lasting(metadata: dict[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in metadata.items()
        if not key.lower().startswith(STALE) and not value.startswith("Lav")
    }


def _missing(where: str, before: dict[str, str], after: dict[str, str]) -> list[str]:
    left = {key.lower() for key in after}
    und = {"language": "und"}.items()
    return [
        f"{key.lower()}{where}"
        for key, value in _lasting(before).items()
        if key.lower() not in {*left, "filename", "mimetype"} and (key, value) not in und
    ]
