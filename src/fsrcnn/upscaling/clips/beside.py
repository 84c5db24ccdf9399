"""All tracks beside the picture on their way from one file to the other."""

from collections.abc import Iterator
from pathlib import Path

from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from fsrcnn.upscaling.clips import tracks
from fsrcnn.upscaling.clips.reading import Reader


class Beside:
    """A stream in `made` for each of them, and metadata and chapters; `enlarged` is the picture's."""

    def __init__(self, reader: Reader, made: OutputContainer, enlarged: VideoStream) -> None:
        self.reader = reader
        self.said: list[str] = []
        self.tracks = tracks.add_tracks(reader.given, made, reader.video, enlarged, self.said)

    def packets(self) -> Iterator[Packet]:
        """What is to be written of the packets that were read since the last call."""
        while self.reader.aside:
            packet = self.reader.aside.popleft()
            track = self.tracks.get(packet.stream.index)
            if track is not None:
                yield from track.packets(packet)

    def rest(self) -> Iterator[Packet]:
        """What there is to write at the end."""
        yield from self.packets()
        for track in self.tracks.values():
            yield from track.rest()

    def notes(self, path: Path) -> list[str]:
        """What was changed, left out or lost on the way to the finished file at `path`."""
        notes = list(self.said)
        for index, track in self.tracks.items():
            if track.damaged:
                notes.append(f"{track.damaged} damaged packets of track {index} left out")
        given = self.reader.given
        lost = tracks.lost(given, path, [self.reader.video, *(given.streams[index] for index in self.tracks)])
        if lost:
            notes.append(f"{path.suffix} can't keep {', '.join(lost)}")
        return notes
