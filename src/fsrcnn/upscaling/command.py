"""Run `fsrcnn upscale`: file by file, each with its own fate, and a summary.

On one machine pictures are read, upscaled and encoded ahead, in all cores; they are written one after the
other by the main thread, the only one that a signal stops. `cluster` spreads the files over several machines.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from types import FrameType

from fsrcnn.errors import InputError
from fsrcnn.network.weights import Weights
from fsrcnn.upscaling.ahead import Room, ahead
from fsrcnn.upscaling.one_file import Settings, attempt, starter, upscalers, warnings_reported
from fsrcnn.upscaling.planning import Encoding, Job, is_clip, named
from fsrcnn.upscaling.remote_planning import plan
from fsrcnn.upscaling.reporting import printable, report

STOPS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # not on Windows

Results = Generator[int | None, None, None]  # of each file as `attempt` has it


def run(options: argparse.Namespace, given: Weights | None) -> int:
    """Upscale what the options of the command name, with a network or the released ones; the exit status.

    Raises `InputError` where nothing is done at all.
    """
    scale = given.scale if given else options.scale or 4
    todo = plan(
        options.inputs,
        options.output,
        scale,
        skip_existing=options.skip_existing,
        force=options.force,
    )
    for job in todo.jobs:
        if options.resume and is_clip(job.source) and not job.has_segments:
            raise InputError(
                f"{job.source}: --resume needs IN and OUT on file systems; leave it out, or copy it"
            )
    for line in todo.refused:
        report(line)
    settings = Settings(
        scale,
        given,
        options.family,
        options.backend,
        options.max_megapixels,
        Encoding(options.crf, options.preset),
        options.resume,
        options.verbose,
    )
    start = time.perf_counter()
    failed, pixels = len(todo.refused), 0
    with (
        _orderly_stops(),
        warnings_reported(),
        closing(_results(todo.jobs, settings, options.ray)) as results,
    ):
        count = len(todo.jobs)
        for written in results if count < 2 else _with_progress(results, count):
            if written is None:
                failed += 1
            else:
                pixels += written
    seconds = time.perf_counter() - start
    total = len(todo.jobs) + len(todo.refused)
    done = total - failed
    skipped = f", {len(todo.existing)} skipped that exist" if todo.existing else ""
    rate = (
        f", {done / seconds:.1f} files and {pixels / seconds / 1e6:.1f} megapixels a second" if done else ""
    )
    print(f"{done} of {total} files in {seconds:.1f} s{rate}{skipped}", file=sys.stderr)
    if todo.passed_over:
        print(printable(named(todo.passed_over)), file=sys.stderr)
    return 1 if failed else 0


def _results(jobs: list[Job], settings: Settings, address: str | None) -> Results:
    if address is None:
        return _on_this_machine(jobs, settings)
    from fsrcnn.upscaling.cluster import spread

    return spread(jobs, settings, address)


def _on_this_machine(jobs: list[Job], settings: Settings) -> Results:
    for job, result in ahead(jobs, starter(settings, upscalers(settings)), Room()):
        yield attempt(job, result)


def _with_progress(results: Iterable[int | None], count: int) -> Iterable[int | None]:
    from tqdm import tqdm  # a fifth of the time to start

    return tqdm(results, "upscale", count, unit="file", disable=None)


@contextmanager
def _orderly_stops() -> Iterator[None]:
    """A polite kill and a closed terminal leave no temporary files: they unwind the stack as Ctrl-C does."""
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        raise SystemExit(128 + number)

    main = threading.current_thread() is threading.main_thread()  # no other may set handlers
    # What is ignored, as by nohup, stays so.
    taken = [number for number in STOPS if main and signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    except SystemExit:
        if stopped:  # raised again, since within Ray's functions it becomes that of status 1
            raise SystemExit(128 + stopped[0]) from None
        raise
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
