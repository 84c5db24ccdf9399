"""Upscale a video clip. It holds luma and chroma already: no colour is converted at all.

The network takes each frame's luma; chroma is enlarged by bicubic interpolation, at half the size, as it is
stored. The network runs in a thread of its own, beside decoding and encoding.
"""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from fsrcnn.errors import InputError
from fsrcnn.files import atomic
from fsrcnn.upscaling.colour import BLACK, RANGE
from fsrcnn.upscaling.image import Upscaler

CODEC = "libx264"
QUALITY = {"preset": "superfast", "crf": "18"}
TARGETS = (".mp4", ".m4v", ".mov", ".mkv")
AHEAD = 3  # frames that wait for the network at most
COLOURS = ("color_range", "colorspace", "color_primaries", "color_trc")


def upscale_clip(source: Path, target: Path, upscaler: Upscaler) -> tuple[int, float]:
    """Write `target` (H.264, 4:2:0, 8 bits); returns its frames and the seconds taken.

    Time stamps, pixel shape, colour description and rotation are those of the source; its first sound track
    is copied as it is. Other streams (subtitles, further tracks) are left out.

    Raises `InputError` when PyAV is not installed, the source is no readable clip, or the target can't be
    written.
    """
    try:
        import av
    except ImportError:
        raise InputError(f"{source}: clips need PyAV; run pip install 'fsrcnn[video]'") from None
    if target.suffix.lower() not in TARGETS:
        raise InputError(f"{target}: clips are written as {', '.join(TARGETS)}; name one as OUT")
    start = time.perf_counter()
    try:
        with atomic(target) as temporary, av.open(str(source)) as given:
            if not given.streams.video:
                raise InputError(f"{source}: no video in this file")
            with av.open(str(temporary), "w") as made:
                frames = _transcode(given, made, upscaler)
            if frames == 0:
                raise InputError(f"{source}: no video in this file")
    except av.FFmpegError as error:
        raise InputError(f"{source}: not upscaled ({' '.join(str(error).split())})") from None
    except OSError as error:
        raise InputError(f"{target}: can't be written ({error.strerror})") from None
    return frames, time.perf_counter() - start


def _transcode(given: Any, made: Any, upscaler: Upscaler) -> int:  # noqa: ANN401 - PyAV is an extra
    video, sound = given.streams.video[0], next(iter(given.streams.audio), None)
    video.thread_type = "AUTO"
    output = made.add_stream(CODEC, rate=video.average_rate or Fraction(25), options=QUALITY)
    output.pix_fmt = "yuv420p"
    output.width, output.height = (_even(side * upscaler.scale) for side in (video.width, video.height))
    output.codec_context.time_base = video.time_base
    if video.sample_aspect_ratio:
        output.sample_aspect_ratio = video.sample_aspect_ratio
    for name in COLOURS:
        setattr(output.codec_context, name, getattr(video.codec_context, name))
    copied = made.add_stream_from_template(sound) if sound else None
    items, early = _decoded(given, video, sound), []
    for item in items:
        early.append(item)
        # The first frame tells the rotation, which must be known before anything is written.
        if hasattr(item, "planes"):
            output.set_display_rotation(item.rotation)
            break
    frames = 0
    bar = tqdm(desc="upscale", unit="frame", total=video.frames or None, disable=None)
    waiting: deque[Any] = deque()
    with bar, ThreadPoolExecutor(1) as network:

        def encode_next() -> None:
            made.mux(output.encode(waiting.popleft().result()))
            bar.update()

        for item in chain(early, items):
            if hasattr(item, "planes"):
                frames += 1
                waiting.append(network.submit(_upscale_frame, item, upscaler))
                if len(waiting) > AHEAD:
                    encode_next()
            else:
                item.stream = copied
                made.mux(item)
        while waiting:
            encode_next()
        made.mux(output.encode(None))
    return frames


def _decoded(given: Any, video: Any, sound: Any) -> Iterator[Any]:  # noqa: ANN401
    """Frames of the video as decoded, packets of the sound as they are, in the order of the file."""
    for packet in given.demux(*filter(None, (video, sound))):
        if packet.stream is video:
            yield from packet.decode()
        elif packet.dts is not None:
            yield packet


def _upscale_frame(frame: Any, upscaler: Upscaler) -> Any:  # noqa: ANN401
    """A decoded frame -> the frame to encode, of the same colour range and time stamp."""
    import av

    full = frame.color_range == av.video.reformatter.ColorRange.JPEG or frame.format.name.startswith("yuvj")
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        frame = frame.reformat(format="yuvj420p" if full else "yuv420p")
    y, blue, red = (_array(plane) for plane in frame.planes)
    scale = upscaler.scale
    height, width = _even(y.shape[0] * scale), _even(y.shape[1] * scale)
    planes = np.empty((height * 3 // 2, width), np.uint8)
    planes[:height] = _upscale_luma(y, full, upscaler)[:height, :width]
    # As PyAV has it: the two chroma planes, a quarter of the size, follow as one run of bytes.
    for out, chroma in zip(planes[height:].reshape(2, height // 2, width // 2), (blue, red), strict=True):
        out[:] = upscale_chroma(chroma, scale)[: height // 2, : width // 2]
    result = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    for name in ("pts", "time_base", *COLOURS):
        setattr(result, name, getattr(frame, name))
    return result


def _upscale_luma(y: np.ndarray, full: bool, upscaler: Upscaler) -> np.ndarray:
    """(h, w) uint8 -> (h*scale, w*scale) uint8; `full` range is 0..255, the usual one 16..235."""
    # The usual range is that of the training data. Full range is brought to it and back.
    gain, offset = (RANGE / 255, BLACK) if full else (1 / 255, 0.0)
    large = upscaler.luma(y.astype(np.float32) * np.float32(gain) + np.float32(offset))
    large -= np.float32(offset - gain / 2)  # half a step more, as the conversion to integers cuts
    large *= np.float32(1 / gain)
    return large.clip(0, 255, out=large).astype(np.uint8)


def upscale_chroma(chroma: np.ndarray, scale: int) -> np.ndarray:
    """One chroma plane of 4:2:0, (h, w) uint8 -> (h*scale, w*scale), by bicubic interpolation.

    A chroma sample lies beside the left one of its two columns of luma and half-way between its two rows
    (H.273, chroma location type 0, the default of H.264). To stay there, it moves by a part of a pixel.
    """
    shift = (1 - 1 / scale) / 4
    height, width = chroma.shape
    wider = np.pad(chroma, ((0, 0), (0, 1)), mode="edge")
    box = (shift, 0, width + shift, height)
    size = (width * scale, height * scale)
    return np.asarray(Image.fromarray(wider).resize(size, Image.Resampling.BICUBIC, box=box))


def _array(plane: Any) -> np.ndarray:  # noqa: ANN401
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


def _even(side: int) -> int:
    """4:2:0 has even sides: an odd one, which only x3 makes, loses its last line."""
    return side // 2 * 2
