"""The encoder for a clip: H.264 for 8 bits, HEVC for 10, ProRes 4444 for transparency."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.container import OutputContainer
from av.packet import Packet
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fsrcnn.errors import InputError
from fsrcnn.upscaling.clips import frames
from fsrcnn.upscaling.clips.colour_tags import ColourTags
from fsrcnn.upscaling.clips.frames import Form
from fsrcnn.upscaling.clips.timing import rate_of
from fsrcnn.upscaling.planning import Encoding

ALPHA = (".mov", ".mkv")
# Parts of a frame that no encoder here carries over, by the names that people know.
LOST = {
    Type.A53_CC: "closed captions",
    Type.DOVI_RPU_BUFFER: "Dolby Vision data",
    Type.DOVI_METADATA: "Dolby Vision data",
    Type.DYNAMIC_HDR_PLUS: "HDR10+ data",
    Type.DYNAMIC_HDR_VIVID: "HDR Vivid data",
    Type.ICC_PROFILE: "the ICC profile",
    Type.SPHERICAL: "the mark of a 360-degree picture",
    Type.STEREO3D: "the mark of a 3D picture",
    Type.S12M_TIMECODE: "time codes of frames",
}


class Encoder:
    """The stream that takes the enlarged frames, with all that is known of the source's first frame.

    What x264 and x265 write depends on the number of `threads`; 0 leaves it to them.
    Raises `InputError` when the frames have transparency, and `target` is of a kind whose players know none.
    """

    def __init__(
        self,
        made: OutputContainer,
        target: Path,
        source: VideoStream,
        first: VideoFrame,
        form: Form,
        tags: ColourTags,
        scale: int,
        quality: Encoding,
        threads: int,
    ) -> None:
        if form.alpha and target.suffix.lower() not in ALPHA:
            raise InputError(
                f"{target}: this clip has transparency; choose {' or '.join(ALPHA)} with -o (ProRes 4444)"
            )
        rate = rate_of(source)
        stream = (
            _add_alpha(made, rate, form) if form.alpha else _add_yuv(made, rate, form, tags, first, quality)
        )
        stream.width, stream.height = frames.size(first.width, first.height, scale, form)
        context = stream.codec_context
        assert first.time_base is not None
        context.time_base, context.thread_count = first.time_base, threads
        context.color_range, context.colorspace = tags.range, tags.matrix
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        if source.sample_aspect_ratio:
            stream.sample_aspect_ratio = source.sample_aspect_ratio
        stream.set_display_rotation(first.rotation)
        self.stream = stream
        self.durations: dict[int, int] = {}

    def encode(self, frame: VideoFrame | None) -> list[Packet]:
        """The packets that are ready after `frame`, or after the last one (None).

        They have the durations of their frames, which the encoders leave out.
        """
        if frame is not None:
            assert frame.pts is not None
            self.durations[frame.pts] = frame.duration
        packets = self.stream.encode(frame)
        for packet in packets:
            assert packet.pts is not None
            packet.duration = self.durations.pop(packet.pts, 0)
        return packets


def losses(first: VideoFrame, form: Form, quality: Encoding) -> list[str]:
    """What the source's frames hold, or `quality` asks for, that the result won't have."""
    notes = []
    bits = max(component.bits for component in first.format.components)
    if bits > form.bits and not form.alpha:
        notes.append(f"{bits} bits become {form.bits}")
    beside = _side_data(first)
    notes += [f"{name} left out" for name in dict.fromkeys(LOST[kind] for kind in LOST if kind in beside)]
    if form.alpha and quality != Encoding():
        notes.append("ProRes has neither crf nor preset")
    return notes


def light_of(frame: VideoFrame) -> dict[str, str]:
    """HDR's static metadata: "master-display" and "max-cll" in the words of x265, or nothing."""
    beside, light = _side_data(frame), {}
    if Type.MASTERING_DISPLAY_METADATA in beside:
        *numbers, has_primaries, has_luminance = struct.unpack(
            "=22i", beside[Type.MASTERING_DISPLAY_METADATA]
        )
        # Red, green, blue and white as x and y, then the least and the greatest luminance.
        values = [Fraction(a, b or 1) for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
        if has_primaries and has_luminance:
            red, green, blue, white = (
                f"({round(x * 50000)},{round(y * 50000)})"
                for x, y in zip(values[0:8:2], values[1:8:2], strict=True)
            )
            low, high = (round(value * 10000) for value in values[8:])
            light["master-display"] = f"G{green}B{blue}R{red}WP{white}L({high},{low})"
    if Type.CONTENT_LIGHT_LEVEL in beside:
        light["max-cll"] = "{},{}".format(*struct.unpack("=2I", beside[Type.CONTENT_LIGHT_LEVEL][:8]))
    return light


def _side_data(frame: VideoFrame) -> dict[Type, bytes]:
    try:
        beside: Any = frame.side_data
        return {data.type: bytes(data) for data in beside}
    except ValueError:  # a kind that PyAV has no name for
        return {}


def _add_alpha(made: OutputContainer, rate: Fraction, form: Form) -> VideoStream:
    options = {"profile": "4444", "vendor": "apl0", "alpha_bits": "8" if form.bits == 8 else "16"}
    stream = made.add_stream("prores_ks", rate=rate, options=options)
    stream.pix_fmt = frames.ALPHA_ENCODED
    return stream


def _add_yuv(
    made: OutputContainer,
    rate: Fraction,
    form: Form,
    tags: ColourTags,
    first: VideoFrame,
    quality: Encoding,
) -> VideoStream:
    # Without B frames packets come in the order of their times: MP4 can store each frame's own duration.
    options = {"preset": quality.preset, "crf": str(quality.crf), "bf": "0"}
    options["chroma_sample_location"] = tags.siting
    light = light_of(first)
    if form.bits == 8:
        names = {"master-display": "mastering-display", "max-cll": "cll"}
        options["x264-params"] = ":".join(f"{names[name]}={value}" for name, value in light.items())
        stream = made.add_stream("libx264", rate=rate, options=options)
    else:
        words = {"log-level": "error", **light}
        options["x265-params"] = ":".join(f"{name}={value}" for name, value in words.items())
        stream = made.add_stream("libx265", rate=rate, options=options)
        if made.format.name != "matroska":
            stream.codec_context.codec_tag = "hvc1"  # Apple's players take no other name
    stream.pix_fmt = frames.ENCODED[form.bits]
    return stream
