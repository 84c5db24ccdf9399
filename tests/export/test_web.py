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
    """The weights of each network of a page, read as pool.js does."""
    contents = json.loads(element(page, "contents"))
    data = base64.b85decode(element(page, "data").replace("/", "<"))
    planes = zlib.decompress(data[: contents["size"]])[sum(contents["engines"]) :]
    upper = np.frombuffer(planes, np.uint8).reshape(4, -1).astype(np.uint32)
    weights = (upper[0] << 24 | upper[1] << 16 | upper[2] << 8 | upper[3]).view(np.float32)
    return np.split(weights, np.cumsum([network["weights"] for network in contents["networks"]])[:-1])


def test_released_networks_are_inside_in_under_200_kb():
    networks = [released(scale) for scale in (2, 3, 4)]
    page = to_page(networks[::-1])
    assert page == to_page(networks)
    assert len(page) < 200_000
    for network, weights in zip(networks, unpacked(page), strict=True):
        np.testing.assert_allclose(weights, packed(network, MAX_GROUP), rtol=2**-18)


def test_weights_of_any_size():
    network = random_weights(3, **SMALL)
    network.arrays["deconvolution.weight"][:] *= 1e-6
    network.arrays["deconvolution.bias"][:] = -40
    network.arrays["shrinking.0.weight"][:] = 0
    (weights,) = unpacked(to_page([network]))
    np.testing.assert_allclose(weights, packed(fitted(network)[0], MAX_GROUP), rtol=2**-18)


def test_a_page_can_only_show_what_is_in_it():
    page = to_page([random_weights(2, **SMALL)]).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none';")
    assert "connect-src" not in policy
    assert not re.search(r"https?://|(?:src|href)=", page)


def test_one_network_a_choice():
    with pytest.raises(InputError, match="two networks for x2, both clean"):
        to_page([random_weights(2), released(2)])
