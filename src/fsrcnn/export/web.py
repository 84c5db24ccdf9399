"""A page that upscales pictures in the browser: one HTML file with the networks and their engine inside.

It loads nothing and sends nothing: its Content-Security-Policy allows no connection at all. The weights are
rounded to whole multiples of a step, one for each layer; that moves a pixel by 1 of 255 at most.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fsrcnn.data.luma import BLUE, GREEN, RED
from fsrcnn.errors import InputError
from fsrcnn.export.wasm import MAX_GROUP, PAGE, fitted
from fsrcnn.inference.engine import packed
from fsrcnn.inference.tiling import receptive_radius
from fsrcnn.limits import Family, family_of
from fsrcnn.network.weights import Array, Weights

FINENESS = 1400  # steps in the root mean square of a layer
LARGEST = 2**15 - 1  # multiple of a step
SCRIPTS = ("pool.js", "picture.js", "page.js")  # in this order, as one


def to_page(networks: Sequence[Weights]) -> bytes:
    """The HTML of a page with one or several networks, of which the visitor chooses by scale and family.

    Equal networks are equal bytes. Raises `InputError` for two of the same scale and family, and for one that
    is larger than the engine in the package where no other can be compiled.
    """
    networks = sorted(networks, key=_choice)
    for (scale, family), following in pairwise(map(_choice, networks)):
        if (scale, family) == following:
            raise InputError(f"two networks for x{scale}, both {family}; give one of them")
    entries: list[dict[str, object]] = []
    engines: list[bytes] = []
    codes: list[np.ndarray] = []
    for network in networks:
        equal, engine = fitted(network)
        if engine not in engines:
            engines.append(engine)
        layers = [_rounded(layer) for layer in packed(equal, MAX_GROUP)]
        codes += [multiples for _, multiples in layers]
        scale, family = _choice(network)
        entries.append(
            {
                "scale": scale,
                "family": family,
                "margin": receptive_radius(network),
                "engine": engines.index(engine),
                "layers": [[len(multiples), step] for step, multiples in layers],
            }
        )
    data = zlib.compress(b"".join([*engines, _planes(np.concatenate(codes))]), 9)
    contents = {
        "networks": entries,
        "engines": [len(engine) for engine in engines],
        "size": len(data),
        "black": 16 / 255,
        "share": [RED / 256, GREEN / 256, BLUE / 256],
    }
    return _html(json.dumps(contents, separators=(",", ":")), _text(data)).encode()


def _choice(network: Weights) -> tuple[int, Family]:
    """By what a visitor chooses it."""
    return network.scale, family_of(network.metadata.get("degradation", "none"))


def _rounded(layer: Array) -> tuple[float, np.ndarray]:
    """A step, and the layer in whole multiples of it, int16."""
    largest = float(np.abs(layer).max()) or 1.0
    step = max(float(np.sqrt(np.square(layer[layer != 0]).mean())) / FINENESS, largest / LARGEST)
    return step, np.rint(layer / step).astype(np.int16)


def _planes(codes: np.ndarray) -> bytes:
    """int16 as all low bytes, then all high ones; the sign in the lowest bit, so that most of those are 0."""
    folded = ((codes << 1) ^ (codes >> 15)).view(np.uint16)
    return (folded & 255).astype(np.uint8).tobytes() + (folded >> 8).astype(np.uint8).tobytes()


def _text(data: bytes) -> str:
    """Base 85 of the data, filled up with zeros to whole words; "<", which has a meaning in HTML, is "/"."""
    return base64.b85encode(data + bytes(-len(data) % 4)).decode().replace("<", "/")


def _html(contents: str, data: str) -> str:
    """The page with everything in its place."""
    script = "".join(map(_source, SCRIPTS))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "hash": f"'sha256-{digest}'",
        "style": _source("page.css"),
        "contents": contents,
        "data": data,
        "worker": _source("worker.js"),
        "script": script,
    }
    return re.sub(r"{{(\w+)}}", lambda place: parts[place[1]], _source("page.html"))


def _source(name: str) -> str:
    """A file of the page, without the comments and the white space at the beginning of its lines."""
    lines = (PAGE / name).read_text("utf-8").splitlines()
    return (
        "\n".join(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("//"))
        + "\n"
    )
