"""A clip's frames as decoded, and the packets of its other tracks as they come."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

# FFmpeg's own decoders of these leave transparency out.
WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def opened(path: Path) -> InputContainer:
    """A clip opened for reading, as a local file of a kind that holds clips.

    A playlist named .mp4 could otherwise name other files, or hosts.
    """
    limits = {"format_whitelist": "mov,matroska,avi,mpegts,mpeg,asf,flv,ogg", "protocol_whitelist": "file"}
    # Old cameras wrote titles in encodings of their own; the bytes are kept.
    return av.open(f"file:{path}", container_options=limits, metadata_errors="surrogateescape")


def video_of(given: InputContainer) -> VideoStream | None:
    """The first video that can be decoded and is no cover picture."""
    for stream in given.streams.video:
        if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic:
            return stream
    return None


class Reader:
    """Reads a clip once: `frames` yields its pictures, and packets of other tracks gather in `aside`.

    `first` is the frame whose size and format all others get; by default the first that is read. `read` is
    the number of packets of the video so far.
    """

    def __init__(self, given: InputContainer, video: VideoStream, first: VideoFrame | None = None) -> None:
        self.given, self.video, self.first = given, video, first
        self.aside: deque[Packet] = deque()
        self.read = self.damaged = self.patched = self.resized = 0
        self.ends_early = False
        # Not with threads that decode several frames at once: they report damage with a frame that is whole.
        self.decoder: Any = video.codec_context
        if video.metadata.get("alpha_mode") == "1" and self.decoder.name in WITH_ALPHA:
            self.decoder = CodecContext.create(WITH_ALPHA[self.decoder.name], "r")

    def frames(self) -> Iterator[VideoFrame]:
        """Every frame that can be decoded, in the size and format of the first."""
        for packet in self.packets():
            for frame in self._decoded(packet):
                frame.time_base = self.video.time_base
                self.patched += frame.is_corrupt
                first = self.first = self.first or frame
                if (frame.width, frame.height) != (first.width, first.height):
                    self.resized += 1
                    frame = frame.reformat(width=first.width, height=first.height)
                if frame.format.name != first.format.name:
                    frame = frame.reformat(format=first.format.name)
                yield frame

    def notes(self) -> list[str]:
        """What happened on the way; for after the last frame."""
        kinds = {
            "damaged {} left out": self.damaged,
            "damaged {} kept as the decoder patched them": self.patched,
            "{} of another size brought to that of the first": self.resized,
        }
        lines = [
            f"{count} " + text.format("frame" if count == 1 else "frames")
            for text, count in kinds.items()
            if count
        ]
        return (
            lines
            + ["the file is damaged at its end, and what could not be read is missing"] * self.ends_early
        )

    def packets(self) -> Iterator[Packet | None]:
        """Those of the video, and None for their end."""
        try:
            for packet in self.given.demux():
                if not packet.size:
                    continue
                if packet.stream is self.video:
                    self.read += 1
                    yield packet
                else:
                    self.aside.append(packet)
        except av.FFmpegError:
            self.ends_early = True
        yield None

    def _decoded(self, packet: Packet | None) -> list[VideoFrame]:
        try:
            frames: list[VideoFrame] = self.decoder.decode(packet)
        except av.FFmpegError:
            self.damaged += 1
            return []
        return frames
