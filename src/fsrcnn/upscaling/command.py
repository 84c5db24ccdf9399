"""Run `fsrcnn upscale`: file by file, each with its own fate, and a summary.

Pictures are read, upscaled and encoded ahead, in all cores; they are written one after the other by the main
thread, the only one that a signal stops.
"""

import argparse
import logging
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TypeVar

from PIL import Image

from fsrcnn.errors import InputError
from fsrcnn.network.weights import Weights
from fsrcnn.pictures.picture import Picture
from fsrcnn.pictures.reading import read
from fsrcnn.pictures.writing import check, encode, store, write
from fsrcnn.upscaling.ahead import Room, ahead
from fsrcnn.upscaling.family import CLEAN, CLIP, Suited, chosen, suited_to
from fsrcnn.upscaling.image import Upscaler, released_upscaler
from fsrcnn.upscaling.planning import Encoding, Job, is_clip, named, plan
from fsrcnn.upscaling.reporting import printable, report
from fsrcnn.upscaling.video import upscale_clip

STOPS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # not on Windows


ENCODED_AHEAD = 2**26  # bytes of pixels at most

UpscalerOf = Callable[[Path, Suited], Upscaler]  # of a file, for which a family is suited
UpscaleClip = Callable[[Path, Path, Upscaler], tuple[int, float]]  # the number of frames, and seconds
_Result = TypeVar("_Result")
Write = Callable[[], int]  # which says how many pixels were written


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
    for line in todo.refused:
        report(line)
    started = partial(
        _started,
        upscaler_of=_upscalers(options, scale, given),
        limit=options.max_megapixels,
        clip=partial(upscale_clip, quality=Encoding(options.crf, options.preset), resume=options.resume),
    )
    start = time.perf_counter()
    failed, pixels = len(todo.refused), 0
    with _orderly_stops(), _quiet_pillow(), _warnings_reported():
        results, count = ahead(todo.jobs, started, Room()), len(todo.jobs)
        for job, result in results if count < 2 else _with_progress(results, count):
            try:
                pixels += result()()
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
    rate = (
        f", {done / seconds:.1f} files and {pixels / seconds / 1e6:.1f} megapixels a second" if done else ""
    )
    print(f"{done} of {total} files in {seconds:.1f} s{rate}{skipped}", file=sys.stderr)
    if todo.passed_over:
        print(printable(named(todo.passed_over)), file=sys.stderr)
    return 1 if failed else 0


def _with_progress(results: Iterable[_Result], count: int) -> Iterable[_Result]:
    from tqdm import tqdm  # a fifth of the time to start

    return tqdm(results, "upscale", count, unit="file", disable=None)


def _upscalers(options: argparse.Namespace, scale: int, given: Weights | None) -> UpscalerOf:
    """What upscales a file: the network that was given, else the released one that is asked for or suits it.

    Raises `InputError` where a network or the backend is not to be had.
    """
    if given is not None:
        own = Upscaler(given, options.backend)
        return lambda path, suited: own

    def upscaler_of(path: Path, suited: Suited) -> Upscaler:
        family, why = chosen(options.family, suited)
        if options.verbose:
            report(f"{path}: the network for {family} pictures, since {why}")
        return released_upscaler(scale, family, options.backend)

    # One of them before any work, whichever: a backend that is missing is missing for all.
    released_upscaler(scale, chosen(options.family, CLEAN).family, options.backend)
    return upscaler_of


def _started(
    job: Job, upscaler_of: UpscalerOf, limit: float, clip: UpscaleClip
) -> tuple[int, Callable[[], Write]]:
    """Read a picture. How many bytes it will have, and what upscales it."""
    if is_clip(job.source):
        return 0, lambda: partial(_clip, job, upscaler_of, clip)
    picture = read(job.source, limit)
    upscaler = upscaler_of(job.source, suited_to(picture.metadata))
    check(job.target, picture, upscaler.scale)
    return picture.pixels.nbytes * upscaler.scale**2, partial(_upscaled, job, picture, upscaler)


def _upscaled(job: Job, picture: Picture, upscaler: Upscaler) -> Write:
    """What writes the picture, encoded already unless it is large: its file would be in memory as well."""
    large = picture._replace(pixels=upscaler(picture.pixels))
    height, width = large.pixels.shape[:2]
    if large.pixels.nbytes > ENCODED_AHEAD:
        finish = partial(write, job.target, large)
    else:
        finish = partial(store, job.target, encode(job.target, large))

    def written() -> int:
        finish()
        return height * width

    return written


def _clip(job: Job, upscaler_of: UpscalerOf, clip: UpscaleClip) -> int:
    frames, seconds = clip(job.source, job.target, upscaler_of(job.source, CLIP))
    print(f"{frames} frames in {seconds:.1f} s, {frames / seconds:.1f} frames a second", file=sys.stderr)
    return 0


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
