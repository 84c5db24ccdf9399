"""A clip as its first frame shows it, and all its frames on their way through the network.

The network runs in a thread of its own, beside decoding and encoding.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame

from fsrcnn.errors import InputError
from fsrcnn.upscaling.clips import colour_tags, frames, timing
from fsrcnn.upscaling.clips.deinterlacing import progressive
from fsrcnn.upscaling.clips.encoding import Encoder
from fsrcnn.upscaling.clips.reading import Reader, video_of
from fsrcnn.upscaling.image import Upscaler
from fsrcnn.upscaling.planning import Encoding

AHEAD = 3  # frames that wait for the network at most


class Source:
    """A clip that is read from its beginning; the first frame decides how all are upscaled and encoded.

    `notes` is what there is to say of it. Raises `InputError` when it holds no video.
    """

    def __init__(self, given: InputContainer, path: Path) -> None:
        video = video_of(given)
        if video is None:
            raise InputError(f"{path}: no video in this file")
        self.video, self.reader = video, Reader(given, video)
        self.notes: list[str] = []
        pictures = progressive(timing.mended(self.reader.frames(), *timing.steps(video)), self.notes)
        first = next(pictures, None)
        if first is None:
            raise InputError(f"{path}: no frame of its video can be decoded")
        self.first, self.pictures = first, chain([first], pictures)
        self.form = frames.form_of(first.format)
        self.tags = colour_tags.tags_of(first, rgb=frames.is_rgb(first.format), alpha=self.form.alpha)

    def encoder(
        self, made: OutputContainer, target: Path, scale: int, quality: Encoding, threads: int = 0
    ) -> Encoder:
        """What takes the upscaled frames, as `Encoder` has it."""
        return Encoder(made, target, self.video, self.first, self.form, self.tags, scale, quality, threads)

    def upscaled(self, pictures: Iterable[VideoFrame], upscaler: Upscaler) -> Iterator[VideoFrame]:
        """Progressive frames of this clip -> the frames to encode."""
        waiting: deque[Future[VideoFrame]] = deque()
        with ThreadPoolExecutor(1) as network:
            for frame in pictures:
                waiting.append(network.submit(frames.upscaled, frame, self.form, self.tags, upscaler))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
