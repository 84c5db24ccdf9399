"""Run `fsrcnn upscale`: file by file, each with its own fate, and a summary."""

import argparse
import logging
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from PIL import Image
from tqdm import tqdm

from fsrcnn.errors import InputError
from fsrcnn.network.weights import Weights
from fsrcnn.pictures.reading import read
from fsrcnn.pictures.writing import check, write
from fsrcnn.upscaling.image import Upscaler
from fsrcnn.upscaling.planning import Job, is_clip, named, plan
from fsrcnn.upscaling.reporting import printable, report

STOPS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # not on Windows


def run(options: argparse.Namespace, network: Weights) -> int:
    """Upscale what the options of the command name with a network; the exit status.

    Raises `InputError` where nothing is done at all.
    """
    todo = plan(
        options.inputs,
        options.output,
        network.scale,
        skip_existing=options.skip_existing,
        force=options.force,
    )
    for line in todo.refused:
        report(line)
    upscaler = Upscaler(network, options.backend)
    start = time.perf_counter()
    failed = len(todo.refused)
    with _orderly_stops(), _quiet_pillow(), _warnings_reported():
        for job in tqdm(todo.jobs, desc="upscale", unit="file", disable=len(todo.jobs) < 2 or None):
            try:
                _upscale(job, upscaler, options.max_megapixels)
            except InputError as error:
                failed += 1
                report(error)
            except Exception as error:  # a bug, or no memory: the other files go on
                failed += 1
                logging.getLogger(__name__).debug("%s", job.source, exc_info=True)
                words = " ".join(str(error).split())
                report(f"{job.source}: not upscaled ({type(error).__name__}{words and ': '}{words})")
    seconds = time.perf_counter() - start
    total = len(todo.jobs) + len(todo.refused)
    done = total - failed
    skipped = f", {len(todo.existing)} skipped that exist" if todo.existing else ""
    rate = f"{done / seconds:.1f} files a second" if done else "none"
    print(f"{done} of {total} files in {seconds:.1f} s, {rate}{skipped}", file=sys.stderr)
    if todo.passed_over:
        print(printable(named(todo.passed_over)), file=sys.stderr)
    return 1 if failed else 0


def _upscale(job: Job, upscaler: Upscaler, max_megapixels: float) -> None:
    if is_clip(job.source):
        from fsrcnn.upscaling.video import upscale_clip

        frames, seconds = upscale_clip(job.source, job.target, upscaler)
        print(f"{frames} frames in {seconds:.1f} s, {frames / seconds:.1f} frames a second", file=sys.stderr)
        return
    picture = read(job.source, max_megapixels)
    check(job.target, picture, upscaler.scale)
    write(job.target, picture._replace(pixels=upscaler(picture.pixels)))


@contextmanager
def _orderly_stops() -> Iterator[None]:
    """A polite kill and a closed terminal leave no temporary files: they unwind the stack as Ctrl-C does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    main = threading.current_thread() is threading.main_thread()  # no other may set handlers
    # What is ignored, as by nohup, stays so.
    taken = [number for number in STOPS if main and signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Our limit on pixels replaces Pillow's, and odd metadata in files that it can read is no news."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


class _Report(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        report(record.getMessage())


@contextmanager
def _warnings_reported() -> Iterator[None]:
    handler, logger = _Report(logging.WARNING), logging.getLogger("fsrcnn")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
