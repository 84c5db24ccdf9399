"""The command `fsrcnn`: upscale a picture, a folder of pictures or a video clip; serve or export a network.

What is large is imported on use, so that `--help` and wrong arguments answer at once.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fsrcnn.errors import InputError
from fsrcnn.export.targets import TARGETS, export
from fsrcnn.limits import FAMILIES, SCALES, network_name
from fsrcnn.system import check_supported
from fsrcnn.upscaling.planning import CLIPS, CRF, PRESETS, Encoding
from fsrcnn.upscaling.remote import path_of
from fsrcnn.upscaling.reporting import report

if TYPE_CHECKING:
    from fsrcnn.network.weights import Weights

MAX_MEGAPIXELS = 25  # a picture of a usual camera; x4 makes 400 of it
MAX_SERVED = 4  # megapixels; x4 makes 64 of it

DESCRIPTION = """\
Upscale a picture, a folder of pictures, or a video clip by 2, 3 or 4 with FSRCNN.

The network sharpens the luma; colour and transparency are enlarged by bicubic interpolation.
Everything works offline: the trained networks are part of the package.
"""
EXAMPLES = """\
examples:
  fsrcnn upscale photo.jpg                        writes photo_x4.jpg beside it
  fsrcnn upscale photo.jpg -o large.png --scale 2 another name, format and scale
  fsrcnn upscale *.jpg -o large                   several, into the folder large
  fsrcnn upscale holidays                         all pictures in it, to the folder holidays_x4
  fsrcnn upscale holidays --skip-existing         goes on where it was interrupted
  fsrcnn upscale clip.mp4                         writes clip_x4.mp4, with its sound
  fsrcnn upscale clip.mp4 --resume                goes on after the last segment that was finished
  fsrcnn upscale library -o large --ray auto      over all machines of a Ray cluster
  fsrcnn upscale photo.jpg --for clean            the network for pictures without compression
  fsrcnn upscale photo.jpg --weights models/x4/scratch.safetensors
  fsrcnn upscale photo.jpg --model models:/fsrcnn-x4@champion
  fsrcnn serve                                    answers HTTP requests on this machine alone
  fsrcnn export x4 --to onnx -o fsrcnn_x4.onnx    the released network for other programs
"""
UPSCALE = f"""\
Upscale every IN.

pictures  PNG, JPEG, WebP, BMP, TIFF, by suffix. Grey, alpha, 16 bits and what belongs to the picture (colour
          profile, resolution, EXIF, XMP, IPTC, texts) are kept where the format can; else it is said.
          The EXIF orientation is applied, palettes and CMYK become RGB. Animations are refused.
folders   are searched for pictures at every depth; OUT has the same tree. Links to folders are not followed,
          hidden files are skipped. A bad file is reported and the rest go on.
clips     {", ".join(CLIPS)} (pip install 'fsrcnn[video]'), written as MP4, MOV or MKV. Times, colours,
          sound, subtitles and chapters are kept where the container can; else it is said.

Nothing is overwritten without --force, and OUT appears only when it is whole.
The exit status is 0 if everything was upscaled, 1 if something was not, 2 for wrong arguments.
"""
SERVE = """\
Upscale over HTTP until told to stop: POST the bytes of a PNG, JPEG or WebP to /upscale, get those of a larger
one. The page /docs describes it; docs/serving.md has the limits.

A model of MLflow also answers JSON by MLflow's protocol at /invocations.
"""
EXPORT = """\
Write a trained network as a file for other programs; docs/everywhere.md says how each loads it.

WEIGHTS  a released network: x2, x3, x4, or photo-x2, photo-x3, photo-x4 for compressed pictures, or
         photo-s-x2, photo-s-x3, photo-s-x4, which are the smaller FSRCNN-s;
         a .safetensors file that training wrote; or a model in the MLflow store that MLFLOW_TRACKING_URI
         names, such as models:/fsrcnn-x4@champion.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; a person's mistake is one line on stderr."""
    options = argument_parser().parse_args(arguments)
    try:
        check_supported()
        return int(options.run(options))
    except InputError as error:
        report(error)
        return 1
    except KeyboardInterrupt:
        return 130


def argument_parser() -> argparse.ArgumentParser:
    """All that the command line takes."""
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
    command.add_argument(
        "inputs",
        metavar="IN",
        type=path_of,
        nargs="+",
        help="a picture, a folder or a clip; several are a list; "
        "or one URL of pictures, as s3://BUCKET/FOLDER (docs/scale.md)",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=path_of,
        help="a file, or a folder where IN is one or a list; default: beside IN, with _x4 added to its name",
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
    source.add_argument(
        "--for",
        dest="family",
        choices=("auto", *FAMILIES),
        default="auto",
        help="the released network for clean pictures, or for photos that were compressed (photo-s: smaller "
        "and faster, less exact); "
        "default: auto, by what each file says",
    )
    command.add_argument(
        "--backend", default="auto", help="what runs the network; default: auto, the fastest"
    )
    existing = command.add_mutually_exclusive_group()
    existing.add_argument("--force", action="store_true", help="overwrite files that exist")
    existing.add_argument("--skip-existing", action="store_true", help="leave files that exist, do the rest")
    command.add_argument(
        "--max-megapixels",
        metavar="N",
        type=float,
        default=MAX_MEGAPIXELS,
        help="refuse larger pictures; default: %(default)s (1.5 GB at x4 to PNG or JPEG; 16 bits 3 GB)",
    )
    command.add_argument(
        "--crf",
        metavar="N",
        type=_crf,
        default=Encoding().crf,
        help="quality of clips, 1 (best) to 51; default: %(default)s",
    )
    command.add_argument(
        "--preset",
        choices=PRESETS,
        default=Encoding().preset,
        help="time for encoding clips, which slower ones make smaller; default: %(default)s",
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="write clips in segments, and go on with those of a run that was stopped",
    )
    command.add_argument(
        "--ray",
        metavar="ADDRESS",
        nargs="?",
        const="",
        help="spread files, and segments of clips, over a Ray cluster, such as auto or HOST:6379; "
        "without ADDRESS that of RAY_ADDRESS, else this machine's cores (docs/scale.md)",
    )
    command.add_argument("-v", "--verbose", action="store_true", help="say which network each file gets")
    command.set_defaults(run=_upscale)

    server = commands.add_parser(
        "serve",
        help="upscale over HTTP; see fsrcnn serve --help",
        description=SERVE,
        formatter_class=layout,
    )
    server.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="a .safetensors file, or a model in the MLflow store that MLFLOW_TRACKING_URI names, such as "
        "models:/fsrcnn-x4@champion; default: the released networks",
    )
    server.add_argument("--host", default="127.0.0.1", help="default: %(default)s, this machine alone")
    server.add_argument("--port", type=int, default=5001, help="default: %(default)s")
    server.add_argument(
        "--max-megapixels",
        metavar="N",
        type=float,
        default=MAX_SERVED,
        help="refuse larger pictures; default: %(default)s",
    )
    server.add_argument(
        "--queue",
        metavar="N",
        type=int,
        default=32,
        help="requests that may wait, beside one for each core; more are answered 503; default: %(default)s",
    )
    server.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="holds the bearer token that clients must send; default: FSRCNN_TOKEN, else none is needed",
    )
    server.set_defaults(run=_serve)

    exporter = commands.add_parser(
        "export",
        help="a network for other programs; see fsrcnn export --help",
        description=EXPORT,
        formatter_class=layout,
    )
    exporter.add_argument(
        "weights", metavar="WEIGHTS", nargs="+", help="a name, a file or a model, as above; several for web"
    )
    exporter.add_argument("--to", dest="target", required=True, choices=TARGETS, help="what for")
    exporter.add_argument("-o", "--output", metavar="OUT", type=Path, required=True, help="the file to write")
    exporter.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    exporter.set_defaults(run=_export)
    return parser


def _crf(text: str) -> int:
    if not text.isdecimal() or int(text) not in CRF:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {CRF[0]} to {CRF[-1]}")
    return int(text)


def _serve(options: argparse.Namespace) -> int:
    try:
        from fsrcnn.serving.server import serve, token_from
    except ImportError as error:
        raise InputError(f"{error.name} is not installed; run pip install 'fsrcnn[serve]'") from None
    token = token_from(options.token_file)
    serve(options.model, options.host, options.port, options.max_megapixels, options.queue, token)
    return 0


def _export(options: argparse.Namespace) -> int:
    networks = [_given(weights) for weights in options.weights]
    export(networks, options.target, options.output, force=options.force)
    return 0


def _given(weights: str) -> "Weights":
    """A network by what `export` takes for it."""
    from fsrcnn.network.weights import load, released

    names = {network_name(scale, family): (scale, family) for scale in SCALES for family in FAMILIES}
    if weights in names:
        return released(*names[weights])
    if weights.startswith(("models:/", "runs:/")):
        from fsrcnn.tracking.registered import load_registered

        return load_registered(weights)
    return load(Path(weights))


def _upscale(options: argparse.Namespace) -> int:
    from fsrcnn.upscaling.command import run

    return run(options, _network(options))


def _network(options: argparse.Namespace) -> "Weights | None":
    """The network that was given; None for the released ones."""
    from fsrcnn.network import weights

    if options.weights:
        network = weights.load(options.weights)
    elif options.model:
        from fsrcnn.tracking.registered import load_registered

        network = load_registered(options.model)
    else:
        return None
    if options.scale not in (None, network.scale):
        given = options.weights or options.model
        raise InputError(
            f"{given}: weights for scale {network.scale}, not {options.scale}; leave out --scale"
        )
    return network
