import importlib.util
import json
from hashlib import sha256
from importlib.metadata import version

import numpy as np
import pytest

from fsrcnn.errors import InputError
from fsrcnn.export.wasm import COMPILER, PAGE, D, M, S, compiled, fitted, record
from fsrcnn.inference import backends
from fsrcnn.limits import SCALES
from tests.export.networks import random_weights

RECORD = json.loads((PAGE / "engine.json").read_text())


def test_engines_are_of_these_sources():
    """After a change of the sources: python -m fsrcnn.export.wasm."""
    assert {key: RECORD[key] for key in record()} == record()
    for name, digest in RECORD["engines"].items():
        assert sha256((PAGE / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("scale", SCALES)
def test_engines_are_what_the_compiler_makes(scale):
    pytest.importorskip("ziglang", reason="ziglang is not installed")
    if f"ziglang {version('ziglang')}" != COMPILER:
        pytest.skip(f"not {COMPILER}, whose bytes the package has")
    assert compiled(scale, D, S, M) == (PAGE / f"x{scale}.wasm").read_bytes()


@pytest.mark.parametrize("shape", [(8, 4, 1), (56, 5, 0), (1, 12, 4)])
def test_a_smaller_network_is_filled_up_and_stays_the_same(shape):
    network = random_weights(3, *shape)
    full, engine = fitted(network)
    assert (full.d, full.s, full.m) == (D, S, M)
    assert engine == (PAGE / "x3.wasm").read_bytes()
    y = np.random.default_rng(1).random((1, 1, 13, 20), dtype=np.float32)
    outputs = [backends.load(each, "eager")(y) for each in (network, full)]
    np.testing.assert_allclose(*outputs, atol=1e-5)


def test_a_larger_network_names_the_compiler_that_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"FSRCNN\(57, 12, 4\) is larger .* pip install ziglang"):
        fitted(random_weights(2, d=57))
