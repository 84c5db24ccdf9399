"""The files of `fsrcnn upscale`, spread by Ray over the cores of a cluster.

A file, or a segment of a long clip, is a task of one core, which Ray gives to any node that has one free; a
worker process takes one after the other and keeps its networks. They are tasks and no actors, since an actor
waits for its own place to come back when its node is gone, and has no part in nodes that join.

Paths and a few words travel, no pixels. A task itself raises nothing about its file: what Ray raises is the
death of a worker or a node, whose task is given again.
"""

import io
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from fsrcnn.errors import InputError
from fsrcnn.files import remove_leftovers
from fsrcnn.upscaling.family import CLIP
from fsrcnn.upscaling.one_file import (
    Settings,
    UpscalerOf,
    attempt,
    starter,
    tell_frames,
    upscalers,
    warnings_reported,
)
from fsrcnn.upscaling.planning import Job
from fsrcnn.upscaling.remote import RemotePath
from fsrcnn.upscaling.tasks import Outcome, Task, Tasks
from fsrcnn.upscaling.video import missing_segments, upscale_clip, upscale_segment

ON_THE_WAY = 1000  # tasks that Ray has at a time, however many there are
TICK = 0.1  # seconds between two looks at what is done: one by one, each would cost a look at all
LOCAL = "local"  # to Ray: a cluster of its own
PATIENCE = 10  # seconds until the cluster answers
GRACE = 2  # seconds until Ray has ended the workers of a process that has left it


@dataclass
class Worker:
    """What Ray sends to each worker process, once; there it makes the networks ready, once."""

    settings: Settings

    @cached_property
    def upscaler_of(self) -> UpscalerOf:
        """As `upscalers` makes it, for a share of one core."""
        os.environ["PYTHON_CPU_COUNT"] = "1"
        return upscalers(self.settings)

    def __call__(self, task: Task) -> Outcome:
        """Do one task. Raises `InputError` where a network or the backend is not to be had."""
        job = task.job
        with redirect_stderr(io.StringIO()) as said, warnings_reported():
            start = starter(self.settings, self.upscaler_of)
            if not job.has_segments:
                return Outcome(attempt(job, lambda: start(job)[1]()), said.getvalue())
            segments = attempt(job, lambda: partial(self._share_of_clip, task))
            return Outcome(None if segments is None else 0, said.getvalue(), segments or ())

    def _share_of_clip(self, task: Task) -> tuple[int, ...]:
        """Write a segment, or a clip; the segments that it needs before, where they are several."""
        clip = *task.job, self.upscaler_of(task.job.source, CLIP), self.settings.quality
        if task.segment is not None:
            upscale_segment(*clip, task.segment)
        elif len(missing := missing_segments(*clip)) > 1:
            return tuple(missing)
        else:
            frames, seconds = upscale_clip(*clip, resume=True)
            tell_frames(frames, task.spent + seconds)
        return ()


def spread(jobs: list[Job], settings: Settings, address: str) -> Generator[int | None, None, None]:
    """Upscale every file somewhere; yields what `attempt` returned, in the order in which they end.

    `address` is that of a cluster, as `ray.init` takes it; "" is the one that RAY_ADDRESS names, else one of
    this machine's cores that lives as long as the command.
    Raises `InputError` without Ray, without the cluster, and where workers can't start.
    """
    from tqdm import tqdm  # a fifth of the time to start

    absolute = (Job(_absolute(job.source), _absolute(job.target)) for job in jobs)
    # It shows nothing before there are segments.
    bar = tqdm(desc="clips", unit="segment", total=0, delay=1e-9, leave=False, disable=None)
    worker, tasks = Worker(settings), Tasks(absolute, bar)
    given: dict[Any, Task] = {}  # by Ray's reference
    try:
        with bar, _connected(address) as ray:

            @ray.remote(max_retries=0)
            def work(task: Task) -> Outcome:
                return worker(task)

            while True:
                given |= {work.remote(task): task for task in tasks.take(ON_THE_WAY - len(given))}
                if not given:
                    return
                for task, outcome in _ended(ray, given):
                    if isinstance(outcome, Outcome):
                        pixels, ended = outcome.pixels, tasks.ended(task, outcome)
                    else:
                        remove_leftovers(task.job.target)
                        pixels, ended = None, tasks.died(task, outcome)
                    if ended:
                        if task.segment is not None:  # which the others have no use without
                            _forget(task.job, given)
                        yield pixels
    finally:  # without Ray's `cancel`, which aborts this process where a task is just ending (Ray 2.60)
        _put_away(given)


def _ended(ray: ModuleType, given: dict[Any, Task]) -> Iterator[tuple[Task, Outcome | str]]:
    """The tasks that have ended by now, taken out; what came of each, or why its worker died.

    Raises `InputError` where workers can't start.
    """
    done, _ = ray.wait(list(given), num_returns=len(given), timeout=TICK)
    for reference in done:
        if reference not in given:  # of a clip of which a segment has failed meanwhile
            continue
        task = given.pop(reference)
        try:
            yield task, ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise InputError(f"Ray's workers can't start: {_words(error.cause)}") from None
        except ray.exceptions.RayError as error:
            yield task, _words(error)


def _absolute(path: Path) -> Path:
    """Absolute, since a worker is in another folder."""
    return path if isinstance(path, RemotePath) else path.absolute()


def _forget(job: Job, given: dict[Any, Task]) -> None:
    """Take out the tasks of a file. They run on: what is wrong with it ends them too, mostly."""
    for reference in [reference for reference, task in given.items() if task.job == job]:
        del given[reference]


def _put_away(given: dict[Any, Task]) -> None:
    """What the workers were writing that Ray ended when this process left it."""
    if given:
        time.sleep(GRACE)
    remove_leftovers(*(task.job.target for task in given.values()))


@contextmanager
def _connected(address: str) -> Iterator[ModuleType]:
    """Ray, with its cluster."""
    address = address or os.environ.get("RAY_ADDRESS") or LOCAL
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    if address == LOCAL:  # which listens on all interfaces, and would run the code of whoever finds it
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
    except ImportError:
        raise InputError("--ray needs Ray; run pip install 'fsrcnn[ray]'") from None
    _check_reached(address)
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"--ray {address}: no cluster ({_words(error)})") from None
    finally:
        if main:  # Ray sets its own
            signal.signal(signal.SIGTERM, before)
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reached(address: str) -> None:
    """Raise `InputError` where nobody listens: Ray would try for many minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
        except OSError as error:
            raise InputError(f"--ray {address}: no cluster ({error.strerror or error})") from None


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
