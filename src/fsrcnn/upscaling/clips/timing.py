"""Time stamps that are missing, out of order or start anew: mended, so that they increase."""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

WINDOW = 4  # frames within which stamps are sorted; B frames are hardly ever further out of order
RESTART = 1  # seconds: a clock that goes further back has started anew


def rate_of(video: VideoStream) -> Fraction:
    """Frames a second, on average or as far as is known."""
    return video.average_rate or video.guessed_rate or Fraction(25)


def steps(video: VideoStream) -> tuple[int, int]:
    """A frame's usual duration and a second, in the time base of the stream."""
    assert video.time_base is not None
    return max(1, round(1 / (rate_of(video) * video.time_base))), round(1 / video.time_base)


def stamp_of(frame: VideoFrame) -> int | None:
    """The time stamp as it was read: of presentation, else of decoding."""
    return frame.dts if frame.pts is None else frame.pts


def mended(frames: Iterable[VideoFrame], step: int, second: int) -> Iterator[VideoFrame]:
    """The same frames in the same order, with stamps that increase.

    `step` is a frame's usual duration and `second` a second, both in the frames' time base. Stamps that were
    swapped are sorted, a missing one follows the one before, a single one that is far off is put between its
    neighbours, and where the clock starts anew it goes on instead. Frames without a duration get `step`.
    """
    waiting: deque[VideoFrame] = deque()
    stamps: list[int] = []
    entered: list[int] = []  # the last two, before sorting
    offset = former_offset = 0
    last: int | None = None

    def first_of_waiting() -> VideoFrame:
        nonlocal last
        stamp = min(stamps)
        stamps.remove(stamp)
        last = stamp if last is None or stamp > last else last + max(1, step // 2)
        frame = waiting.popleft()
        frame.pts, frame.duration = last, frame.duration or step
        return frame

    for frame in frames:
        given = stamp_of(frame)
        if given is None:
            stamp = entered[-1] + step if entered else 0
        else:
            stamp = given + offset
            if offset != former_offset and entered[-2] < given + former_offset < stamp - RESTART * second:
                offset = former_offset  # the stamp before was far off, not a new clock
                stamp = given + offset
            elif entered and stamp < entered[-1] - RESTART * second:
                if len(entered) == 2 and stamp > entered[0] and entered[1] in stamps:
                    stamps.remove(entered[1])
                    entered[1] = (entered[0] + stamp) // 2
                    stamps.append(entered[1])
                else:
                    former_offset, offset = offset, offset + entered[-1] + step - stamp
                    stamp = entered[-1] + step
            else:
                former_offset = offset
        entered = [*entered[-1:], stamp]
        waiting.append(frame)
        stamps.append(stamp)
        if len(waiting) > WINDOW:
            yield first_of_waiting()
    while waiting:
        yield first_of_waiting()


class Clock:
    """Mends the stamps of one track's packets, which are in decoding order."""

    def __init__(self) -> None:
        self.last: int | None = None
        self.offset = 0
        self.step = 0

    def mend(self, packet: Packet) -> None:
        """Change the stamps of `packet` so that its decoding time is after that of the one before."""
        time = packet.pts if packet.dts is None else packet.dts
        if time is None:
            time = 0 if self.last is None else self.last + self.step - self.offset
        if self.last is not None and time + self.offset < self.last - RESTART / packet.time_base:
            self.offset = self.last + self.step - time
        shown = time if packet.pts is None else packet.pts
        decoded = time + self.offset
        if self.last is not None and decoded <= self.last:
            decoded = self.last + 1
        packet.dts, packet.pts = decoded, max(shown + self.offset, decoded)
        self.last, self.step = decoded, packet.duration or 0
