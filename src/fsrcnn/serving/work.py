"""A bounded amount of work: as many at a time as there are cores, some that wait, and no more."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class GoneError(Exception):
    """The client went away before its answer was there."""


class Work:
    """Places for requests: `workers` that are worked on and `queue` that wait."""

    def __init__(self, workers: int, queue: int) -> None:
        self._pool = ThreadPoolExecutor(workers, "upscale")
        self._workers, self._places = workers, workers + queue
        self._seconds = 0.1  # of a job, on average of late
        self.taken = 0

    @property
    def full(self) -> bool:
        """Whether all places are taken."""
        return self.taken >= self._places

    @property
    def retry_after(self) -> int:
        """Whole seconds after which what is there now is probably done."""
        return max(1, math.ceil(self.taken * self._seconds / self._workers))

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places; ask `full` first."""
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def run(self, job: Callable[[], T], gone: Awaitable[None]) -> T:
        """The result of a job, once a worker is free.

        Raises what the job raises; `GoneError` when `gone` comes first. Then a job that waits is given up.
        """
        working = self._pool.submit(self._timed, job)
        done, watching = asyncio.wrap_future(working), asyncio.ensure_future(gone)
        try:
            await asyncio.wait((done, watching), return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                raise GoneError
            return done.result()
        finally:
            working.cancel()  # without effect where it runs already
            watching.cancel()

    def _timed(self, job: Callable[[], T]) -> T:
        start = time.perf_counter()
        try:
            return job()
        finally:
            self._seconds += (time.perf_counter() - start - self._seconds) / 10
