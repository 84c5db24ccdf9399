"""Strips of a picture, made in all cores and taken in order, so that a file is written in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fsrcnn.system import usable_cores

P = TypeVar("P")
R = TypeVar("R")


def in_order(make: Callable[[P], R], parts: Sequence[P]) -> Iterator[R]:
    """`make` of each part; at most two results a core are in memory."""
    if len(parts) == 1:
        yield make(parts[0])
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(usable_cores()) as cores:
        for part in parts:
            waiting.append(cores.submit(make, part))
            if len(waiting) > 2 * usable_cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
