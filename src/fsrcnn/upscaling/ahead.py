"""Jobs that run ahead of the one whose turn it is, in all cores and bounded memory."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

from fsrcnn.system import usable_cores

J = TypeVar("J")
R = TypeVar("R")

ROOM = 2**29  # bytes of results at most, but for one that is larger alone


class Room:
    """Memory for results, given out in the order of the jobs: the one whose turn it is never waits."""

    def __init__(self, size: int = ROOM) -> None:
        self.size = size
        self.taken = 0
        self.turn = 0
        self.closed = False
        self.changed = threading.Condition()

    def take(self, number: int, amount: int) -> None:
        """Wait for the job's turn, and for `amount` bytes of room; `CancelledError` when it is closed."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or (self.turn == number and self._has(amount)))
            if self.closed:
                raise CancelledError
            self.turn += 1
            self.taken += amount
            self.changed.notify_all()

    def give(self, amount: int) -> None:
        """Room that is free again."""
        with self.changed:
            self.taken -= amount
            self.changed.notify_all()

    def close(self) -> None:
        """Nobody waits for the results any more."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def _has(self, amount: int) -> bool:
        return not self.taken or self.taken + amount <= self.size


def ahead(
    jobs: Sequence[J], start: Callable[[J], tuple[int, Callable[[], R]]], room: Room
) -> Iterator[tuple[J, Callable[[], R]]]:
    """Each job in order, with a function that waits for its result, or raises what it raised; call it once.

    `start` runs first, and says how many bytes the result will take and what makes it; that runs when there
    is room for them. It is free again when the next job is asked for: keep no result until then.
    """
    cores = usable_cores()
    amounts: dict[int, int] = {}
    waiting: deque[Future[R]] = deque()

    def run(number: int, job: J) -> R:
        amounts[number] = 0
        try:
            amounts[number], finish = start(job)
        finally:  # one that failed must not keep the others waiting
            room.take(number, amounts[number])
        return finish()

    def result() -> R:
        return waiting.popleft().result()

    with ThreadPoolExecutor(cores) as pool:
        try:
            for number, job in enumerate(jobs):
                while len(waiting) <= cores and number + len(waiting) < len(jobs):
                    waiting.append(pool.submit(run, number + len(waiting), jobs[number + len(waiting)]))
                yield job, result
                room.give(amounts.pop(number))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            room.close()
