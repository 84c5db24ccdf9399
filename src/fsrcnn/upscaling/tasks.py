"""What a cluster's workers are given: files, and segments of long clips; how often, and what comes of it.

A long clip is first a task that says which segments it needs, then these, then the first once more, which
joins them. Since each goes on with what is there, whatever a dead worker had is given as it was.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from fsrcnn.upscaling.planning import Job
from fsrcnn.upscaling.reporting import report, say

if TYPE_CHECKING:
    from tqdm import tqdm

ATTEMPTS = 4  # a file that kills its worker must not go round for ever


class Task(NamedTuple):
    """A segment of a clip, or all that is left to do of a file.

    `spent`: seconds that were spent on it before; `deaths`: of workers that had this task.
    """

    job: Job
    segment: int | None = None
    spent: float = 0.0
    deaths: int = 0

    def __str__(self) -> str:
        return f"{self.job.source}" + ("" if self.segment is None else f", segment {self.segment}")


class Outcome(NamedTuple):
    """The pixels that were written, None where it failed; what was said; the segments that a clip needs."""

    pixels: int | None
    said: str
    segments: tuple[int, ...] = ()


@dataclass
class Cut:
    """A clip in segments: which are not written, what was said of it, and when it was cut."""

    missing: set[int] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    since: float = field(default_factory=time.perf_counter)


class Tasks:
    """All that is to be done for some files; `bar` shows the segments of clips."""

    def __init__(self, jobs: Iterable[Job], bar: "tqdm[NoReturn]") -> None:
        self._files = map(Task, jobs)
        self._first: deque[Task] = deque()
        self._cuts: dict[Job, Cut] = {}
        self._bar = bar

    def take(self, count: int) -> list[Task]:
        """The next ones, so many at most."""
        return list(islice(chain(self._taken_first(), self._files), count))

    def ended(self, task: Task, outcome: Outcome) -> bool:
        """Take note of what came of it; whether its file has ended, well or not."""
        job, segments = task.job, outcome.segments
        cut = self._cuts.setdefault(job, Cut()) if segments else self._cuts.get(job)
        lines = outcome.said.splitlines(keepends=True)
        if cut:  # whose every task says which network it gets
            lines = [line for line in lines if line not in cut.said]
            cut.said |= set(lines)
        say("".join(lines))
        if cut is None or outcome.pixels is None:
            return self._forgotten(job)
        if segments:
            cut.missing |= set(segments)
            self._first += [Task(job, number) for number in segments]
            self._bar.total = (self._bar.total or 0) + len(segments)
            self._bar.refresh()
            return False
        if task.segment is None:
            return self._forgotten(job)
        cut.missing.remove(task.segment)
        self._bar.update()
        if not cut.missing:
            self._first.append(Task(job, spent=time.perf_counter() - cut.since))
        return False

    def died(self, task: Task, why: str) -> bool:
        """Give it again, since its worker died; whether its file has ended, as that happened too often."""
        task = task._replace(deaths=task.deaths + 1)
        if task.deaths == ATTEMPTS:
            report(f"{task}: not upscaled (its worker died {task.deaths} times: {why})")
            return self._forgotten(task.job)
        report(f"{task}: its worker died; it is given to another")
        self._first.append(task)
        return False

    def _taken_first(self) -> Iterator[Task]:
        while self._first:
            yield self._first.popleft()

    def _forgotten(self, job: Job) -> bool:
        if self._cuts.pop(job, None):
            self._first = deque(task for task in self._first if task.job != job)
        return True
