"""The command `fsrcnn`: upscale a picture, a folder of pictures or a video clip; serve a model.

What is large is imported on use, so that `--help` and wrong arguments answer at once.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from fsrcnn.errors import InputError
from fsrcnn.system import check_supported

if TYPE_CHECKING:
    from fsrcnn.network.weights import Weights
    from fsrcnn.upscaling.image import Upscaler

CLIPS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")

MAX_MEGAPIXELS = 25  # a picture of a usual camera; x4 makes 400 of it

DESCRIPTION = """\
Upscale a picture, a folder of pictures, or a video clip by 2, 3 or 4 with FSRCNN.

The network sharpens the luma; colour and transparency are enlarged by bicubic interpolation.
Everything works offline: the trained networks are part of the package.
"""
EXAMPLES = """\
examples:
  fsrcnn upscale photo.jpg                        writes photo_x4.jpg beside it
  fsrcnn upscale photo.jpg large.png --scale 2    another name, format and scale
  fsrcnn upscale holidays                         all pictures in it, to the folder holidays_x4
  fsrcnn upscale clip.mp4                         writes clip_x4.mp4, with its sound
  fsrcnn upscale photo.jpg --weights models/x4/scratch.safetensors
  fsrcnn upscale photo.jpg --model models:/fsrcnn-x4@champion
  fsrcnn serve models:/fsrcnn-x4@champion         answers HTTP requests on this machine alone
"""
UPSCALE = f"""\
Upscale IN and write OUT.

pictures  PNG, JPEG, WebP, BMP, TIFF, by suffix. Grey, alpha, 16 bits and the ICC profile are kept, the
          EXIF orientation is applied, palettes and CMYK become RGB. Animations are refused.
folders   are searched for pictures at every depth; OUT has the same tree. Links to folders are not followed.
          A bad file is reported and the rest go on.
clips     {", ".join(CLIPS)} (pip install 'fsrcnn[video]'). Frame rate and sound are kept.

Nothing is overwritten without --force, and OUT appears only when it is whole.
The exit status is 0 if everything was upscaled, 1 if something was not, 2 for wrong arguments.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; a person's mistake is one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        check_supported()
        return int(options.run(options))
    except InputError as error:
        _report(error)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "fsrcnn", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=layout
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "upscale",
        help="upscale a file or a folder; see fsrcnn upscale --help",
        description=UPSCALE,
        epilog=EXAMPLES,
        formatter_class=layout,
    )
    command.add_argument("input", metavar="IN", type=Path, help="a picture, a folder or a clip")
    command.add_argument(
        "output",
        metavar="OUT",
        type=Path,
        nargs="?",
        help="a file, or a folder where IN is one; default: IN with _x4 added to its name",
    )
    command.add_argument(
        "--scale", type=int, choices=(2, 3, 4), help="default: 4, or that of the weights given"
    )
    source = command.add_mutually_exclusive_group()
    source.add_argument(
        "--weights", metavar="FILE", type=Path, help="a .safetensors file that training wrote"
    )
    source.add_argument(
        "--model", metavar="URI", help="a model in the MLflow store that MLFLOW_TRACKING_URI names"
    )
    command.add_argument(
        "--backend", default="auto", help="what runs the network; default: auto, the fastest"
    )
    command.add_argument("--force", action="store_true", help="overwrite files that exist")
    command.add_argument(
        "--max-megapixels",
        metavar="N",
        type=float,
        default=MAX_MEGAPIXELS,
        help="refuse larger pictures; default: %(default)s (at x4, 3 GB of memory)",
    )
    command.set_defaults(run=_upscale)

    server = commands.add_parser(
        "serve",
        help="upscale over HTTP; see fsrcnn serve --help",
        description="Serve a model over HTTP by MLflow's protocol, until interrupted. Needs MLflow.",
    )
    server.add_argument(
        "model", metavar="URI", help="a model in the MLflow store that MLFLOW_TRACKING_URI names"
    )
    server.add_argument("--host", default="127.0.0.1", help="default: %(default)s, this machine alone")
    server.add_argument("--port", type=int, default=5001, help="default: %(default)s")
    server.set_defaults(run=_serve)
    return parser


def _serve(options: argparse.Namespace) -> int:
    try:
        from fsrcnn.serving.server import serve
    except ImportError:
        raise InputError("MLflow is not installed; run pip install mlflow") from None
    serve(options.model, options.host, options.port)
    return 0


def _upscale(options: argparse.Namespace) -> int:
    network = _network(options)
    try:
        jobs = _plan(options.input, options.output, network.scale)
        _check_targets(jobs, options.force)
    except OSError as error:  # such as a name that is too long, or a folder that can't be searched
        raise InputError(f"{error.filename}: {error.strerror}") from None

    from fsrcnn.upscaling.image import Upscaler

    upscaler = Upscaler(network, options.backend)
    if _is_clip(options.input):
        from fsrcnn.upscaling.video import upscale_clip

        frames, seconds = upscale_clip(*jobs[0], upscaler)
        print(f"{frames} frames in {seconds:.1f} s, {frames / seconds:.1f} frames a second", file=sys.stderr)
        return 0
    start = time.perf_counter()
    failed = 0
    with _quiet_pillow():
        for source, target in tqdm(jobs, desc="upscale", unit="image", disable=None):
            try:
                _upscale_picture(source, target, upscaler, options.max_megapixels)
            except InputError as error:
                failed += 1
                _report(error)
    seconds = time.perf_counter() - start
    done = len(jobs) - failed
    rate = f"{done} of {len(jobs)} images in {seconds:.1f} s, {done / seconds:.1f} images a second"
    print(rate, file=sys.stderr)
    return 1 if failed else 0


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Our limit on pixels replaces Pillow's, and odd metadata in files that it can read is no news."""
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _upscale_picture(source: Path, target: Path, upscaler: "Upscaler", max_megapixels: float) -> None:
    from fsrcnn.upscaling import pictures

    picture = pictures.read(source, max_megapixels)
    pictures.check_format(target, picture)
    pictures.write(target, picture._replace(pixels=upscaler(picture.pixels)))


def _network(options: argparse.Namespace) -> "Weights":
    from fsrcnn.network import weights

    if options.weights:
        network = weights.load(options.weights)
    elif options.model:
        from fsrcnn.tracking.registered import load_registered

        network = load_registered(options.model)
    else:
        return weights.released(options.scale or 4)
    if options.scale not in (None, network.scale):
        given = options.weights or options.model
        raise InputError(
            f"{given}: weights for scale {network.scale}, not {options.scale}; leave out --scale"
        )
    return network


def _plan(source: Path, target: Path | None, scale: int) -> list[tuple[Path, Path]]:
    """Every (input, output) there is to do."""
    from fsrcnn.data.pairs import SUFFIXES

    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    target = target or _beside(source, scale)
    if source.is_dir():
        jobs = [(path, target / path.relative_to(source)) for path in _files_in(source, target)]
        jobs = [job for job in jobs if job[0].suffix.lower() in SUFFIXES]
        if not jobs:
            raise InputError(f"{source}: no pictures in this folder; expected {_list(SUFFIXES)} files")
        return jobs
    known = set(CLIPS) if _is_clip(source) else SUFFIXES
    if source.suffix.lower() not in known:
        raise InputError(f"{source}: no picture by its suffix; expected {_list({*SUFFIXES, *CLIPS})}")
    if target.is_dir():
        target /= source.name
    if target.suffix.lower() not in known:
        raise InputError(f"{target}: unknown suffix; expected {_list(known)}")
    return [(source, target)]


def _list(suffixes: set[str]) -> str:
    return ", ".join(sorted(suffixes))


def _beside(path: Path, scale: int) -> Path:
    # Resolved, because "." and ".." have no name to add to.
    path = path if path.name else path.resolve()
    suffix = "" if path.is_dir() else path.suffix  # a folder's dot starts no suffix
    return path.with_name(f"{path.name.removesuffix(suffix)}_x{scale}{suffix}")


def _is_clip(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in CLIPS


def _files_in(folder: Path, leave_out: Path) -> Iterator[Path]:
    """Files at every depth, in order; links to folders are not followed, so there are no loops."""

    def refuse(error: OSError) -> None:
        raise error

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if (Path(root) / name).resolve() != leave_out.resolve())
        yield from (Path(root) / name for name in sorted(names))


def _check_targets(jobs: list[tuple[Path, Path]], force: bool) -> None:
    """Find out before any work what would fail after it."""
    for source, target in jobs:
        if target.exists() and source.exists() and target.samefile(source):
            raise InputError(f"{source}: input and output are the same file")
    existing = [target for _, target in jobs if os.path.lexists(target)]
    if existing and not force:
        more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise InputError(f"{existing[0]}{more}: exists; choose another OUT, or overwrite with --force")
    for parent in {target.parent for _, target in jobs}:
        folder = next(path for path in (parent, *parent.parents) if path.exists())
        if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            raise InputError(f"{folder}: not a folder that can be written to; choose another OUT")


def _report(error: InputError) -> None:
    """One line on stderr, even where a file's name holds line breaks or is no text."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(error))
    tqdm.write(f"fsrcnn: {line}", file=sys.stderr)
