"""Put a server together and run it."""

import logging
import os
from functools import partial
from pathlib import Path

import uvicorn
from PIL import Image

from fsrcnn.errors import InputError
from fsrcnn.limits import FAMILIES, SCALES
from fsrcnn.network import weights
from fsrcnn.serving.application import application
from fsrcnn.serving.connections import Connection, unsent
from fsrcnn.serving.guard import Guard
from fsrcnn.serving.measures import HELD, Measured
from fsrcnn.serving.networks import Networks
from fsrcnn.serving.work import Work
from fsrcnn.system import usable_cores
from fsrcnn.upscaling.image import Upscaler, released_upscaler

TOKEN = "FSRCNN_TOKEN"
MIB = 2**20
MAX_JSON = 8 * MIB  # three values of a pixel as JSON take at most 21 bytes
GRACE = 60  # seconds for what runs when the server is told to stop


def serve(
    source: str | None, host: str, port: int, max_megapixels: float, queue: int, token: str | None
) -> None:
    """Serve the released networks, that of a file, or that of a model of MLflow, until told to stop.

    SIGTERM and SIGINT let what runs and what waits be finished. MLflow's store is what MLFLOW_TRACKING_URI
    names, else MLflow's own default. Raises `InputError` when the network can't be loaded.
    """
    logging.basicConfig(format="fsrcnn: %(message)s")
    Image.MAX_IMAGE_PIXELS = None  # our own limit stands before it
    served = load(source)
    read_again = None
    if source is not None and _is_uri(source) and served.name != source:
        from fsrcnn.serving import invocations

        read_again = partial(invocations.read_again, uri=source)
    work = Work(usable_cores(), queue)
    HELD.set_function(lambda: work.taken)
    app = application(served, work, max_megapixels, read_again, with_token=token is not None)
    pixels = int(max_megapixels * 1e6)
    guard = Guard(
        app,
        work,
        # 16-bit RGB and alpha that do not compress, and what belongs to a picture beside its pixels.
        {"/upscale": 8 * pixels + MIB, "/invocations": MAX_JSON},
        2 * 4**2 * 3 * pixels,  # two of the largest answers
        unsent,
        token,
    )
    logging.getLogger("fsrcnn.serving").setLevel(logging.INFO)
    # What is wrong in a client's picture is no news here.
    logging.getLogger("fsrcnn.pictures").setLevel(logging.ERROR)
    uvicorn.run(
        Measured(guard),
        host=host,
        port=port,
        http=Connection,
        ws="none",
        access_log=False,
        timeout_graceful_shutdown=GRACE,
    )


def load(source: str | None) -> Networks:
    """The networks of a source, all ready: None for the released ones, a path, or a URI of MLflow.

    Raises `InputError` where they can't be loaded.
    """
    if source is None:
        for scale in SCALES:
            for family in FAMILIES:
                released_upscaler(scale, family, "auto")
        return Networks("released")
    if _is_uri(source):
        try:
            from fsrcnn.serving import invocations
        except ImportError as error:
            raise InputError(f"{source}: {error.name} is not installed; run pip install mlflow") from None
        return invocations.load(source)
    return Networks(source, Upscaler(weights.load(Path(source))))


def _is_uri(source: str | None) -> bool:
    """Whether MLflow is meant, as in "models:/fsrcnn-x4@champion"; else it is a path."""
    return source is not None and ":/" in source


def token_from(file: Path | None) -> str | None:
    """The token in a file, else in FSRCNN_TOKEN, else none. Raises `InputError` for what can't be one."""
    try:
        token = os.environ.get(TOKEN) if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: no token can be read from it ({error})") from None
    if token is not None and (not token or not token.isascii() or not token.isprintable() or " " in token):
        raise InputError(f"{file or TOKEN}: no token; give visible ASCII characters without spaces")
    return token
