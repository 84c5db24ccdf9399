"""Small clips for the tests, made with PyAV, and what is in a clip."""

from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from skimage import data

from fsrcnn.cli import main

av: Any = pytest.importorskip("av", reason="PyAV is not installed; pip install 'fsrcnn[video]'")

CASES = Path(__file__).parents[2] / "cases"
LOSSLESS = {
    "libx264": {"qp": "0", "preset": "ultrafast"},
    "libx265": {"x265-params": "lossless=1:log-level=none", "bf": "0"},
}


def pictures(count=6, height=48, width=64, step=2):
    photograph = data.astronaut()
    return [photograph[step * i :, i:][:height, :width].copy() for i in range(count)]


def write(
    path,
    images,
    codec="libx264",
    pixels="yuv420p",
    given="rgb24",
    stamps=None,
    lasts=None,
    tags=(),
    **options,
):
    """A clip of arrays at 10 a second, or at `stamps` in ms; `tags`: range, matrix, primaries, transfer."""
    height, width = images[0].shape[:2]
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=10, options={**LOSSLESS.get(codec, {}), **options})
        video.width, video.height, video.pix_fmt = width, height, pixels
        context = video.codec_context
        context.time_base = Fraction(1, 1000)
        names = ("color_range", "colorspace", "color_primaries", "color_trc")
        for name, value in zip(names, tags, strict=False):
            setattr(context, name, value)
        lasting = {}
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format=given)
            if tags and given.startswith("rgb") and pixels.startswith("yuv"):
                frame = frame.reformat(format=pixels, dst_colorspace=tags[1], dst_color_range=tags[0])
            frame.pts, frame.time_base = (stamps or range(0, 100 * len(images), 100))[i], Fraction(1, 1000)
            lasting[frame.pts] = (lasts or [100] * len(images))[i]
            for packet in video.encode(frame):
                packet.duration = lasting[packet.pts]
                container.mux(packet)
        for packet in video.encode(None):
            packet.duration = lasting[packet.pts]
            container.mux(packet)
    return path


def write_packets(path, images, stamps, codec="mjpeg", pixels="yuvj420p"):
    """A clip of pictures that stand alone, whose packets have any time `stamps` (ms), even wrong ones."""
    height, width = images[0].shape[:2]
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=10, options={"color_range": "pc"})
        video.width, video.height, video.pix_fmt = width, height, pixels
        video.codec_context.time_base = Fraction(1, 10)
        for i, image in enumerate(images):
            (packet,) = video.encode(av.VideoFrame.from_ndarray(image, "rgb24"))
            packet.time_base, packet.duration = Fraction(1, 1000), 100
            packet.pts, packet.dts = 1000 + stamps[i], i  # the container stores the first alone
            container.mux(packet)
    return path


def with_sound(path, source, *tracks):
    """The clip `source` with tracks of sound: (codec, rate, layout, language) each."""
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        video = made.add_stream_from_template(given.streams.video[0], opaque=True)
        streams = []
        for codec, rate, layout, language in tracks:
            stream = made.add_stream(codec, rate=rate, options={"strict": "experimental", "b": "128k"})
            stream.codec_context.layout = layout
            stream.metadata["language"] = language
            streams.append(stream)
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = video
                made.mux(packet)
        for stream in streams:
            wave = np.sin(np.arange(stream.rate) * 0.1).astype(np.float32)
            samples = np.tile(wave, (stream.channels, 1))
            frame = av.AudioFrame.from_ndarray(samples, "fltp", stream.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = stream.rate, 0, Fraction(1, stream.rate)
            made.mux([*encoded(stream, frame), *stream.encode(None)])
    return path


def encoded(stream, frame):
    """Sound in the pieces and the type of samples that the encoder wants."""
    stream.codec_context.open(strict=False)
    resampler = av.AudioResampler(
        stream.format, stream.layout, stream.rate, frame_size=stream.codec_context.frame_size or None
    )
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        yield from stream.encode(piece)


class Clip(NamedTuple):
    """`frames` as decoded, `packets` of each further stream, and what the container says."""

    frames: list
    video: Any
    streams: list
    packets: dict
    metadata: dict
    chapters: list


def read(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        for frame in frames:
            assert frame.side_data is not None
    container = av.open(str(path))
    packets = {stream.index: [] for stream in container.streams}
    for packet in container.demux():
        if packet.size:
            packets[packet.stream_index].append(packet)
    return Clip(
        frames,
        container.streams.video[0],
        list(container.streams),
        packets,
        container.metadata,
        container.chapters(),
    )


def tags(frame):
    return frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc


def upscale(source, target=None, scale=2):
    """The command; its exit status is 0 or the test fails."""
    target = target or source.with_name(f"{source.stem}_x{scale}{source.suffix}")
    assert main(["upscale", str(source), "-o", str(target), "--scale", str(scale)]) == 0
    return read(target)


def pooled(frame, scale):
    """The large picture's means over what was one pixel, as RGB."""
    image = frame.to_ndarray(format="rgb24").astype(float)
    height, width = image.shape[0] // scale, image.shape[1] // scale
    return image[: height * scale, : width * scale].reshape(height, scale, width, scale, 3).mean((1, 3))
