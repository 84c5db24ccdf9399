"""Interlaced frames made progressive, one frame of each: two fields of different moments are no picture."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

NOTE = "interlaced, so deinterlaced (bwdif)"


def progressive(frames: Iterable[VideoFrame], notes: list[str]) -> Iterator[VideoFrame]:
    """Frames of the same times; from the first interlaced one on all pass FFmpeg's `bwdif`.

    It leaves frames as they are that are not flagged as interlaced. Adds a line to `notes` if it was needed.
    """
    graph: Graph | None = None
    time_base = Fraction(1)
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None:
            notes.append(NOTE)
            assert frame.time_base is not None
            time_base = frame.time_base
            graph = _graph(frame)
        graph.push(frame)
        yield from _pulled(graph, time_base)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph, time_base)


def _graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base=str(frame.time_base),
        colorspace=str(int(frame.colorspace)),
        range=str(int(frame.color_range)),
    )
    deinterlacer = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    graph.link_nodes(source, deinterlacer, graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Graph, time_base: Fraction) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(frame, VideoFrame)
        # The filter counts in halves, as it could give a frame for each field.
        assert frame.pts is not None and frame.time_base is not None
        factor = frame.time_base / time_base
        frame.pts, frame.duration = round(frame.pts * factor), round(frame.duration * factor)
        frame.time_base = time_base
        yield frame
