import base64
import json
import re
import zlib

import numpy as np
import pytest

from fsrcnn.errors import InputError
from fsrcnn.export.wasm import MAX_GROUP, fitted
from fsrcnn.export.web import to_page
from fsrcnn.inference.engine import packed
from fsrcnn.network.weights import released
from tests.export.networks import SMALL, random_weights


def element(page, name):
    return re.search(rf'id="{name}">([^<]*)</script>', page.decode())[1]


def unpacked(page):
    """The networks of a page, each as its layers, read as pool.js does."""
    contents = json.loads(element(page, "contents"))
    data = base64.b85decode(element(page, "data").replace("/", "<"))
    codes = zlib.decompress(data[: contents["size"]])[sum(contents["engines"]) :]
    low, high = np.frombuffer(codes, np.uint8).reshape(2, -1).astype(int)
    folded = low + 256 * high
    values = iter((folded >> 1) ^ -(folded & 1))
    return [
        [np.array([next(values) * step for _ in range(count)]) for count, step in network["layers"]]
        for network in contents["networks"]
    ]


def test_released_networks_are_inside_in_under_200_kb():
    networks = [released(scale) for scale in (2, 3, 4)]
    page = to_page(networks[::-1])
    assert page == to_page(networks)
    assert len(page) < 200_000
    for network, layers in zip(networks, unpacked(page), strict=True):
        for exact, layer in zip(packed(network, MAX_GROUP), layers, strict=True):
            assert np.abs(exact - layer).max() < 1e-3 * np.abs(exact).max()


def test_weights_of_any_size_keep_their_sign_and_place():
    network = random_weights(3, **SMALL)
    network.arrays["deconvolution.weight"][:] *= 1e-6
    network.arrays["deconvolution.bias"][:] = -40
    network.arrays["shrinking.0.weight"][:] = 0
    (layers,) = unpacked(to_page([network]))
    exact = packed(fitted(network)[0], MAX_GROUP)
    assert layers[-1][0] == pytest.approx(-40)
    for a, b in zip(exact, layers, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3 * np.abs(a).max())


def test_a_page_can_only_show_what_is_in_it():
    page = to_page([random_weights(2, **SMALL)]).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none';")
    assert "connect-src" not in policy
    assert not re.search(r"https?://|(?:src|href)=", page)


def test_one_network_a_choice():
    with pytest.raises(InputError, match="two networks for x2, both clean"):
        to_page([random_weights(2), released(2)])
