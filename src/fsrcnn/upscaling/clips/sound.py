"""Sound as AAC, where a container can't hold what the source has."""

from collections.abc import Iterator
from fractions import Fraction

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import OutputContainer
from av.packet import Packet

from fsrcnn.upscaling.clips.timing import Clock

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
AUDIBLE = 0.1  # seconds


class Reencoded:
    """Decodes a track of sound and encodes it as AAC."""

    def __init__(self, made: OutputContainer, source: AudioStream) -> None:
        self.source = source
        rate = next((rate for rate in RATES if rate >= source.rate), RATES[-1])
        self.layout = _layout(source)
        self.stream = made.add_stream("aac", rate=rate)
        self.stream.codec_context.layout = self.layout
        # As much as AAC can hold at low rates, what is called transparent at usual ones.
        self.stream.codec_context.bit_rate = source.channels * min(96_000, 6 * rate)
        self.clock = Clock()
        self.damaged = 0
        self.position: int | None = None  # of the next sample

    def packets(self, packet: Packet) -> Iterator[Packet]:
        """What there is to write after a packet of the source."""
        self.clock.mend(packet)
        try:
            frames = self.source.codec_context.decode(packet)
        except av.FFmpegError:
            self.damaged += 1
            return
        for frame in frames:
            yield from self._encoded(frame)

    def rest(self) -> Iterator[Packet]:
        """What there is to write after the last one."""
        for frame in self.source.codec_context.decode(None):
            yield from self._encoded(frame)
        yield from self.stream.encode(None)

    def _encoded(self, frame: AudioFrame) -> list[Packet]:
        """Frames follow each other without a gap unless it can be heard: stamps of packets are coarse."""
        if frame.pts is not None and frame.time_base is not None:
            given = round(frame.pts * frame.time_base * frame.sample_rate)
            if self.position is None or given > self.position + AUDIBLE * frame.sample_rate:
                self.position = given
        frame.pts, frame.time_base = self.position or 0, Fraction(1, frame.sample_rate)
        self.position = frame.pts + frame.samples
        return self.stream.encode(frame)


def _layout(source: AudioStream) -> str:
    """The source's loudspeakers, or stereo where AAC does not know them."""
    name = source.layout.name
    if name.endswith("channels"):  # just a number of them, as in AVI: the usual arrangement, for FFmpeg "2c"
        name = f"{source.channels}c"
    context = CodecContext.create("aac", "w")
    context.sample_rate, context.format = 48000, "fltp"
    context.layout = name
    try:
        context.open()
    except av.FFmpegError:
        return "stereo"
    return name
