"""A page that upscales pictures in the browser: one HTML file with the networks and their engine inside.

It loads nothing and sends nothing: its Content-Security-Policy allows no connection at all. The weights are
rounded to 26 bits, which moves a pixel by 1 of 255 at most; 24 bits would move pixels of text and line art by
3, and all 32 would not leave the page below 200 KB.
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
from fsrcnn.network.weights import Array, Weights

SCRIPTS = ("pool.js", "picture.js", "page.js")  # in this order, as one
WORKER = ("deflate.js", "worker.js")


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
    weights: list[Array] = []
    for network in networks:
        equal, engine = fitted(network)
        if engine not in engines:
            engines.append(engine)
        weights.append(packed(equal, MAX_GROUP))
        scale, family = _choice(network)
        entries.append(
            {
                "scale": scale,
                "family": family,
                "margin": receptive_radius(network),
                "engine": engines.index(engine),
                "weights": len(weights[-1]),
            }
        )
    data = zlib.compress(b"".join([*engines, _planes(np.concatenate(weights))]), 9)
    contents = {
        "networks": entries,
        "engines": [len(engine) for engine in engines],
        "size": len(data),
        "black": 16 / 255,
        "share": [RED / 256, GREEN / 256, BLUE / 256],
    }
    return _html(json.dumps(contents, separators=(",", ":")), _text(data)).encode()


def _choice(network: Weights) -> tuple[int, str]:
    """By what a visitor chooses it."""
    return network.scale, network.family


def _planes(weights: Array) -> bytes:
    """The upper 26 bits of each, rounded: all first bytes, then all second, and so on, which packs best."""
    rounded = (weights.view(np.uint32) + np.uint32(0x20)) & np.uint32(0xFFFFFFC0)
    return rounded.astype(">u4").view(np.uint8).reshape(-1, 4).T.tobytes()


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
        "worker": "".join(map(_source, WORKER)),
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
