from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
import torch

from fsrcnn.errors import InputError
from fsrcnn.limits import FAMILIES, SCALES, network_name
from fsrcnn.network import checkpoint, weights
from fsrcnn.network.model import FSRCNN


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scale", SCALES)
def test_released_files_are_written_as_they_are(tmp_path, scale, family):
    name = f"{network_name(scale, family)}.safetensors"
    content = (files("fsrcnn.network") / "released" / name).read_bytes()
    given = weights.released(scale, family)
    weights.save(given, tmp_path / "arrays")
    checkpoint.save(checkpoint.network_of(given), tmp_path / "network", given.metadata)
    assert (tmp_path / "arrays").read_bytes() == content
    assert (tmp_path / "network").read_bytes() == content


@pytest.mark.parametrize("shape", [(56, 12, 4), (32, 5, 1), (7, 3, 0)])
def test_shapes_are_those_of_the_network(shape):
    state = FSRCNN(3, *shape).state_dict()
    assert weights.shapes(*shape) == {name: tuple(tensor.shape) for name, tensor in state.items()}


def test_convolutions_are_in_order():
    network = FSRCNN(2, d=5, s=3, m=2)
    found = [array for layer in checkpoint.weights_of(network).convolutions() for array in layer]
    parameters = list(network.parameters())[:-2]
    assert len(found) == len(parameters)
    for array, parameter in zip(found, parameters, strict=True):
        np.testing.assert_array_equal(array, parameter.detach().numpy())


def test_weights_are_a_copy():
    network = FSRCNN(2, d=5, s=3, m=2)
    arrays = checkpoint.weights_of(network)
    back = checkpoint.network_of(arrays)
    with torch.no_grad():
        network.deconvolution.bias.fill_(7)
    arrays.arrays["deconvolution.bias"][:] = 8
    assert back.deconvolution.bias.item() == 0
    assert network.deconvolution.bias.item() == 7


def test_shape_is_not_taken_from_the_metadata(tmp_path):
    given = replace(weights.released(2), metadata={"scale": "3", "kind": "test"})
    weights.save(given, tmp_path / "w.safetensors")
    back = weights.load(tmp_path / "w.safetensors")
    assert (back.scale, back.metadata) == (2, {"kind": "test"})


def test_other_scales_are_refused():
    with pytest.raises(InputError, match="no released network for scale 5; choose 2, 3, 4"):
        weights.released(5)
