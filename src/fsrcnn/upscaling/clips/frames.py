"""One decoded frame to the frame that is encoded.

The network takes the luma plane. The chroma planes are enlarged by bicubic interpolation straight to the size
that 4:2:0 has at the new resolution, so that those of 4:2:2 and 4:4:4 lose nothing to a detour. A frame with
transparency goes the way of a picture.
"""

from typing import NamedTuple

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

from fsrcnn.upscaling.clips.colour_tags import FULL, LIMITED, SITINGS, ColourTags
from fsrcnn.upscaling.colour import BLACK, RANGE
from fsrcnn.upscaling.image import Upscaler

SUBSAMPLINGS = {(1, 1): "444", (2, 1): "422", (2, 2): "420", (1, 2): "440", (4, 1): "411", (4, 4): "410"}


ENCODED = {8: "yuv420p", 10: "yuv420p10le"}
ALPHA_ENCODED = "yuva444p10le"


class Form(NamedTuple):
    """What all frames of a clip are brought to before the network.

    `pixels` is FFmpeg's name of a planar format, `bits` 8 or 10, `across` and `down` the columns and rows of
    luma to one chroma sample. With `alpha`, it is RGBA of 8 or 16 bits.
    """

    pixels: str
    bits: int
    alpha: bool
    across: int
    down: int


def form_of(pixels: VideoFormat) -> Form:
    """The form that keeps the samples of a format, of which FFmpeg has about 250; 10 bits at most."""
    components = pixels.components
    bits = 8 if max(component.bits for component in components) <= 8 else 10
    if any(component.is_alpha for component in components):
        return Form("rgba" if bits == 8 else "rgba64le", bits, True, 1, 1)
    deep = "" if bits == 8 else "10le"
    if is_rgb(pixels):
        return Form(f"yuv444p{deep}", bits, False, 1, 1)
    if len(components) < 3:
        return Form(f"gray{deep}", bits, False, 2, 2)
    across, down = 8 // pixels.chroma_width(8), 8 // pixels.chroma_height(8)
    if (across, down) not in SUBSAMPLINGS or (deep and across == 4):
        across = down = 1
    return Form(f"yuv{SUBSAMPLINGS[across, down]}p{deep}", bits, False, across, down)


def is_rgb(pixels: VideoFormat) -> bool:
    """Whether the format holds RGB or a palette of it."""
    return pixels.is_rgb or pixels.has_palette


def upscaled(frame: VideoFrame, form: Form, tags: ColourTags, upscaler: Upscaler) -> VideoFrame:
    """The frame to encode, of the same time stamp and duration, with the sides of `size`."""
    given = _in_form(frame, form, tags)
    large = (
        _upscaled_alpha(given, form, tags, upscaler)
        if form.alpha
        else _upscaled_yuv(given, form, tags, upscaler)
    )
    large.pts, large.time_base, large.duration = frame.pts, frame.time_base, frame.duration
    large.color_range, large.colorspace = tags.range, tags.matrix
    large.color_primaries, large.color_trc = tags.primaries, tags.transfer
    return large


def size(width: int, height: int, scale: int, form: Form) -> tuple[int, int]:
    """Width and height of the result: 4:2:0 has even sides, so that an odd one loses its last line."""
    even = 1 if form.alpha else 2
    return width * scale // even * even, height * scale // even * even


def _upscaled_alpha(frame: VideoFrame, form: Form, tags: ColourTags, upscaler: Upscaler) -> VideoFrame:
    large = VideoFrame.from_ndarray(upscaler(frame.to_ndarray()), format=form.pixels)
    return large.reformat(format=ALPHA_ENCODED, dst_colorspace=tags.matrix, dst_color_range=LIMITED)


def _upscaled_yuv(frame: VideoFrame, form: Form, tags: ColourTags, upscaler: Upscaler) -> VideoFrame:
    luma, *chroma = (_array(plane, form.bits) for plane in frame.planes)
    width, height = size(frame.width, frame.height, upscaler.scale, form)
    large = VideoFrame(width, height, ENCODED[form.bits])
    y, *others = (_array(plane, form.bits) for plane in large.planes)
    y[:] = upscale_luma(luma, tags.range == FULL, form.bits, upscaler)[:height, :width]
    for i, plane in enumerate(others):
        if chroma:
            subsampling = (form.across, form.down)
            plane[:] = upscale_chroma(chroma[i], plane.shape, subsampling, tags.siting, form.bits, upscaler)
        else:
            plane[:] = 1 << (form.bits - 1)
    return large


def upscale_luma(y: np.ndarray, full: bool, bits: int, upscaler: Upscaler) -> np.ndarray:
    """(h, w) integers of 8 or 10 bits -> (h*scale, w*scale), the same type.

    `full` range is 0 to the largest number; the usual one is 16..235, or four times that in 10 bits.
    """
    peak = (1 << bits) - 1
    # The usual range is that of the training data. Full range is brought to it and back.
    black, white = (BLACK, RANGE) if full else (0.0, peak / (255 << (bits - 8)))
    return upscaler.luma(y, peak, black, white)


def upscale_chroma(
    chroma: np.ndarray,
    shape: tuple[int, int],
    subsampling: tuple[int, int],
    siting: str,
    bits: int,
    upscaler: Upscaler,
) -> np.ndarray:
    """A chroma plane, (h, w) -> `shape` of 4:2:0 at the new resolution, by bicubic interpolation.

    `subsampling` is the columns and rows of luma to a sample in `chroma`. The result has the same siting:
    each sample moves by the part of a pixel that keeps it beside its luma.
    """
    (left, right), (top, bottom) = (
        _interval(count, upscaler.scale, luma, offset)
        for count, luma, offset in zip(reversed(shape), subsampling, SITINGS[siting], strict=True)
    )
    return upscaler.plane(chroma, shape, (left, top, right, bottom), (1 << bits) - 1)


def _interval(count: int, scale: int, luma: int, offset: float) -> tuple[float, float]:
    """What `count` samples of the result cover along one side, in samples of the source's plane."""
    first = offset * (luma - 1)

    def place(sample: float) -> float:  # from an edge between the result's samples
        luma_of_result = 2 * sample - 0.5 + offset
        return (luma_of_result / scale - 0.5 - first) / luma + 0.5

    return place(0), place(count)


def _in_form(frame: VideoFrame, form: Form, tags: ColourTags) -> VideoFrame:
    name = frame.format.name
    if name in (form.pixels, form.pixels.replace("yuv", "yuvj")):
        return frame
    if form.alpha:
        matrix = None if is_rgb(frame.format) else tags.matrix
        return frame.reformat(format=form.pixels, src_colorspace=matrix)
    if is_rgb(frame.format):
        return frame.reformat(format=form.pixels, dst_colorspace=tags.matrix, dst_color_range=LIMITED)
    return frame.reformat(format=form.pixels)


def _array(plane: VideoPlane, bits: int) -> np.ndarray:
    """The plane's own memory as (h, w)."""
    dtype = np.dtype(np.uint8 if bits == 8 else "<u2")
    rows = np.frombuffer(memoryview(plane), dtype).reshape(-1, plane.line_size // dtype.itemsize)
    return rows[: plane.height, : plane.width]
