"""What `fsrcnn upscale` does with one file: read it, upscale it, write it; what goes wrong stays with it."""

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from PIL import Image

from fsrcnn.errors import InputError
from fsrcnn.network.weights import Weights
from fsrcnn.pictures.picture import Picture
from fsrcnn.pictures.reading import read
from fsrcnn.pictures.writing import check, encode, store, write
from fsrcnn.upscaling.family import CLEAN, CLIP, Choice, Suited, chosen, suited_to
from fsrcnn.upscaling.image import Upscaler, released_upscaler
from fsrcnn.upscaling.planning import Encoding, Job, is_clip
from fsrcnn.upscaling.remote import RemotePath, delivered, fetched
from fsrcnn.upscaling.reporting import report
from fsrcnn.upscaling.video import check_clip, upscale_clip

ENCODED_AHEAD = 2**26  # bytes of pixels at most

UpscalerOf = Callable[[Path, Suited], Upscaler]  # of a file, for which a family is suited
Write = Callable[[], int]  # which says how many pixels were written
Start = Callable[[Job], tuple[int, Callable[[], Write]]]
T = TypeVar("T")


class Settings(NamedTuple):
    """How every file is upscaled: with the network `given`, else with a released one."""

    scale: int
    given: Weights | None
    family: Choice
    backend: str
    max_megapixels: float
    quality: Encoding
    resume: bool
    verbose: bool


def starter(settings: Settings, upscaler_of: UpscalerOf) -> Start:
    """What starts a file, as `ahead` takes it: reads it, and says what upscales and writes it."""
    return partial(_started, settings=settings, upscaler_of=upscaler_of)


def attempt(job: Job, result: Callable[[], Callable[[], T]]) -> T | None:
    """Upscale and write: what that returns, the pixels written; None where it failed, which is reported."""
    try:
        return result()()
    except InputError as error:
        report(error)
    except Exception as error:  # a bug, or no memory: the other files go on
        logging.getLogger(__name__).debug("%s", job.source, exc_info=True)
        words = " ".join(str(error).split())
        report(f"{job.source}: not upscaled ({type(error).__name__}{words and ': '}{words})")
    return None


@contextmanager
def warnings_reported() -> Iterator[None]:
    """What this package warns of is reported; Pillow's limit and its warnings are off.

    Our limit on pixels replaces its own, and odd metadata in files that it can read is no news.
    """
    handler, logger, before = _Report(logging.WARNING), logging.getLogger("fsrcnn"), Image.MAX_IMAGE_PIXELS
    logger.addHandler(handler)
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
        logger.removeHandler(handler)


class _Report(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        report(record.getMessage())


def upscalers(settings: Settings) -> UpscalerOf:
    """What upscales a file: the network that was given, else the released one that is asked for or suits it.

    Raises `InputError` where a network or the backend is not to be had.
    """
    if settings.given is not None:
        own = Upscaler(settings.given, settings.backend)
        return lambda path, suited: own

    def upscaler_of(path: Path, suited: Suited) -> Upscaler:
        family, why = chosen(settings.family, suited)
        if settings.verbose:
            report(f"{path}: the network for {family} pictures, since {why}")
        return released_upscaler(settings.scale, family, settings.backend)

    # One of them before any work, whichever: a backend that is missing is missing for all.
    released_upscaler(settings.scale, chosen(settings.family, CLEAN).family, settings.backend)
    return upscaler_of


def _started(job: Job, settings: Settings, upscaler_of: UpscalerOf) -> tuple[int, Callable[[], Write]]:
    """Read a picture. How many bytes it will have, and what upscales it."""
    if is_clip(job.source):
        return 0, lambda: partial(_clip, job, settings, upscaler_of)
    with fetched(job.source) as source:
        picture = read(source, settings.max_megapixels)
    upscaler = upscaler_of(job.source, suited_to(picture.metadata))
    check(job.target, picture, upscaler.scale)
    return picture.pixels.nbytes * upscaler.scale**2, partial(_upscaled, job, picture, upscaler)


def _upscaled(job: Job, picture: Picture, upscaler: Upscaler) -> Write:
    """What writes the picture, encoded already unless it is large: its file would be in memory as well.

    What goes elsewhere is there already: it is put whole, whatever stops the command, and one after the
    other would take long.
    """
    large = picture._replace(pixels=upscaler(picture.pixels))
    height, width = large.pixels.shape[:2]
    if isinstance(job.target, RemotePath):
        with delivered(job.target) as copy:
            write(copy, large)
        return lambda: height * width
    if large.pixels.nbytes > ENCODED_AHEAD:
        finish = partial(write, job.target, large)
    else:
        finish = partial(store, job.target, encode(job.target, large))

    def written() -> int:
        finish()
        return height * width

    return written


def _clip(job: Job, settings: Settings, upscaler_of: UpscalerOf) -> int:
    upscaler = upscaler_of(job.source, CLIP)
    check_clip(job.source, job.target)  # before it is fetched
    with fetched(job.source) as source, delivered(job.target) as target:
        frames, seconds = upscale_clip(source, target, upscaler, settings.quality, resume=settings.resume)
    tell_frames(frames, seconds)
    return 0


def tell_frames(frames: int, seconds: float) -> None:
    """What is said of a clip that is done."""
    print(f"{frames} frames in {seconds:.1f} s, {frames / seconds:.1f} frames a second", file=sys.stderr)
