"""What a clip's numbers mean: range, matrix, primaries, transfer and chroma siting, in the codes of H.273.

A player guesses a tag that is missing from the size of the picture. The enlarged picture has another size, so
the guess for the source's own size is written down.
"""

from typing import NamedTuple

import av
from av.logging import INFO, Capture, get_level, set_level
from av.video.frame import VideoFrame

UNKNOWN = 2  # of matrix, primaries and transfer; a range that is unknown is 0
LIMITED, FULL = 1, 2
BT709, BT470BG, SMPTE170M, SMPTE240M, BT2020, BT2020_CL = 1, 5, 6, 7, 9, 10
SRGB = 13  # a transfer
# Where the first chroma sample lies, in luma samples to the right of and below the first one of luma.
SITINGS = {
    "left": (0.0, 0.5),
    "center": (0.5, 0.5),
    "topleft": (0.0, 0.0),
    "top": (0.5, 0.0),
    "bottomleft": (0.0, 1.0),
    "bottom": (0.5, 1.0),
}


class ColourTags(NamedTuple):
    """`siting` is a key of `SITINGS`, the rest are codes of H.273 (range: `LIMITED` or `FULL`)."""

    range: int
    matrix: int
    primaries: int
    transfer: int
    siting: str


def tags_of(frame: VideoFrame, rgb: bool, alpha: bool) -> ColourTags:
    """The tags for a clip whose first decoded frame this is, completed by what players assume for its size.

    An `rgb` frame becomes YUV of limited range, by the matrix that goes with its primaries. With `alpha` the
    range is limited too, as ProRes knows no other.
    """
    matrix, primaries, transfer = int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)
    if rgb:
        primaries = BT709 if primaries == UNKNOWN else primaries
        matrix = BT2020 if primaries == BT2020 else BT709
        return ColourTags(LIMITED, matrix, primaries, SRGB if transfer == UNKNOWN else transfer, "left")
    if matrix == UNKNOWN:
        matrix = _guessed_matrix(frame)
    if primaries == UNKNOWN:
        primaries = _guessed_primaries(matrix, frame)
    if transfer == UNKNOWN:
        transfer = SMPTE170M if primaries in (BT470BG, SMPTE170M) else BT709
    full = (frame.color_range == FULL or frame.format.name.startswith("yuvj")) and not alpha
    return ColourTags(FULL if full else LIMITED, matrix, primaries, transfer, chroma_siting(frame))


def chroma_siting(frame: VideoFrame) -> str:
    """A key of `SITINGS`; "left", the default of H.264 and HEVC, where the frame does not say.

    PyAV has no attribute for it. FFmpeg's filter `showinfo` tells it in its log.
    """
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    graph.link_nodes(source, graph.add("showinfo", "checksum=0"), graph.add("buffersink")).configure()
    level = get_level()
    set_level(INFO)
    try:
        with Capture() as logs:
            graph.push(frame)
            graph.pull()
    finally:
        set_level(level)
    words = "".join(message for _, name, message in logs if name == "showinfo").split()
    siting = next((word.removeprefix("cl:") for word in words if word.startswith("cl:")), "")
    return siting if siting in SITINGS else "left"


def _guessed_matrix(frame: VideoFrame) -> int:
    if frame.width >= 1280 or frame.height > 576:
        return BT709
    return BT470BG if frame.height == 576 else SMPTE170M


def _guessed_primaries(matrix: int, frame: VideoFrame) -> int:
    known = {BT709: BT709, SMPTE240M: SMPTE240M, BT2020: BT2020, BT2020_CL: BT2020}
    if matrix in known:
        return known[matrix]
    # Smaller sizes than these are of computers and cameras, whose primaries are those of sRGB.
    return {576: BT470BG, 480: SMPTE170M, 486: SMPTE170M}.get(frame.height, BT709)
