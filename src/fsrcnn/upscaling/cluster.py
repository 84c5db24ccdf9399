"""The files of `fsrcnn upscale`, spread by Ray over the cores of a cluster.

A file is a task of one core, which Ray gives to any node that has one free; a worker process takes one after
the other and keeps its networks. They are tasks and no actors, since an actor waits for its own place to come
back when its node is gone, and has no part in nodes that join.

Paths and a few words travel, no pixels. A task itself raises nothing about its file: what Ray raises is the
death of a worker or a node, whose file is given again.
"""

import io
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from fsrcnn.errors import InputError
from fsrcnn.files import remove_leftovers
from fsrcnn.upscaling.one_file import Settings, Start, attempt, starter, warnings_reported
from fsrcnn.upscaling.planning import Job
from fsrcnn.upscaling.remote import RemotePath
from fsrcnn.upscaling.reporting import report, say

ATTEMPTS = 4  # a file that kills its worker must not go round for ever
ON_THE_WAY = 1000  # files that Ray has at a time, however many there are
TICK = 0.1  # seconds between two looks at what is done: one by one, each would cost a look at all
LOCAL = "local"  # to Ray: a cluster of its own
PATIENCE = 10  # seconds until the cluster answers
GRACE = 5  # seconds that workers have to put away what they were writing


class Outcome(NamedTuple):
    """Of one file: what `attempt` returned, and what was said on the way."""

    pixels: int | None
    said: str


@dataclass
class Worker:
    """What Ray sends to each worker process, once; there it makes the networks ready, once."""

    settings: Settings

    @cached_property
    def start(self) -> Start:
        """As `starter` makes it, for a share of one core."""
        os.environ["PYTHON_CPU_COUNT"] = "1"
        return starter(self.settings)

    def __call__(self, job: Job) -> Outcome:
        """Do one file. Raises `InputError` where a network or the backend is not to be had."""
        with redirect_stderr(io.StringIO()) as said, warnings_reported():
            start = self.start
            pixels = attempt(job, lambda: start(job)[1]())
        return Outcome(pixels, said.getvalue())


def spread(jobs: list[Job], settings: Settings, address: str) -> Generator[int | None, None, None]:
    """Upscale every file somewhere; yields what `attempt` returned, in the order in which they end.

    `address` is that of a cluster, as `ray.init` takes it; "" is the one that RAY_ADDRESS names, else one of
    this machine's cores that lives as long as the command.
    Raises `InputError` without Ray, without the cluster, and where workers can't start.
    """
    with _connected(address) as ray:
        worker = Worker(settings)

        @ray.remote(max_retries=0)
        def upscale(job: Job) -> Outcome:
            return worker(job)

        todo = ((Job(_absolute(job.source), _absolute(job.target)), 1) for job in jobs)
        given: dict[Any, tuple[Job, int]] = {}  # by Ray's reference; the how manyth time
        try:
            while True:
                given |= {upscale.remote(job): (job, n) for job, n in islice(todo, ON_THE_WAY - len(given))}
                if not given:
                    return
                done, _ = ray.wait(list(given), num_returns=len(given), timeout=TICK)
                for reference in done:
                    job, n = given.pop(reference)
                    try:
                        outcome: Outcome = ray.get(reference)
                    except ray.exceptions.RayTaskError as error:
                        raise InputError(f"Ray's workers can't start: {_words(error.cause)}") from None
                    except ray.exceptions.RayError as error:
                        remove_leftovers(job.target)
                        if n < ATTEMPTS:
                            report(f"{job.source}: its worker died; it is given to another")
                            given[upscale.remote(job)] = job, n + 1
                            continue
                        report(f"{job.source}: not upscaled (its worker died {n} times: {_words(error)})")
                        yield None
                    else:
                        say(outcome.said)
                        yield outcome.pixels
        finally:
            _stop(ray, {reference: job for reference, (job, _) in given.items()})


def _absolute(path: Path) -> Path:
    """Absolute, since a worker is in another folder."""
    return path if isinstance(path, RemotePath) else path.absolute()


def _stop(ray: ModuleType, given: dict[Any, Job]) -> None:
    """Have the workers put away what they are writing; end those that don't, and put it away."""
    for reference in given:
        ray.cancel(reference)  # a KeyboardInterrupt in the worker
    _, rest = ray.wait(list(given), num_returns=len(given), timeout=GRACE)
    for reference in rest:
        ray.cancel(reference, force=True)
    ray.wait(rest, num_returns=len(rest), timeout=GRACE)
    for reference in rest:
        remove_leftovers(given[reference].target)


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
