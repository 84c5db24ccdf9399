import pytest
import torch

import fsrcnn
from fsrcnn.data import hdf5
from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.pairs import make_pair
from fsrcnn.download.folder import read_folder
from fsrcnn.download.sets import PROTOCOLS
from fsrcnn.errors import InputError
from fsrcnn.evaluation.scores import evaluate, summarize
from fsrcnn.limits import FAMILIES
from fsrcnn.network import checkpoint, weights
from fsrcnn.network.model import FSRCNN, weight_count
from fsrcnn.network.weights import released

CPU = torch.device("cpu")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_released_networks_are_ready_to_use(scale, family):
    network = fsrcnn.load_pretrained(scale, family)
    assert weight_count(network) == (3_937 if family == "photo-s" else 12_464)
    assert not network.training
    with torch.inference_mode():
        out = network(torch.full((2, 1, 20, 30), 0.5))
    assert out.shape == (2, 1, 20 * scale, 30 * scale)
    # A flat grey stays flat grey, away from the border.
    assert (out[..., 8 * scale : -8 * scale, 8 * scale : -8 * scale] - 0.5).abs().max() < 0.02


@pytest.mark.parametrize("scale", [1, 5, "4"])
def test_other_scales_are_refused(scale):
    with pytest.raises(InputError, match="choose 2, 3, 4"):
        fsrcnn.load_pretrained(scale)


def test_families(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no released family 'sharp'; choose clean, photo, photo-s"):
        fsrcnn.load_pretrained(2, "sharp")
    monkeypatch.setattr(weights, "RELEASED", tmp_path)
    networks = {"x2": FSRCNN(2), "photo-x2": FSRCNN(2)}
    for name, network in networks.items():
        checkpoint.save(network, tmp_path / f"{name}.safetensors", {"kind": name})
    for name, arguments in {"x2": (2,), "photo-x2": (2, "photo")}.items():
        loaded = fsrcnn.load_pretrained(*arguments)
        assert torch.equal(loaded.deconvolution.weight, networks[name].deconvolution.weight)
        assert released(*arguments).metadata == {"kind": name}
    assert fsrcnn.load_pretrained(2, "clean").deconvolution.weight.equal(networks["x2"].deconvolution.weight)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_metadata_says_what_they_reach_on_set5(mirror, tmp_path, scale, family):
    images = list(read_folder(mirror / "Set5"))
    for protocol, fit in PROTOCOLS.items():
        pairs = [Pair(*make_pair(image, scale, fit), name) for name, image in images]
        path = tmp_path / f"Set5_{protocol}.h5"
        hdf5.write_pairs(path, pairs, scale, source="Set5", made="test")
    ours = fsrcnn.load_pretrained(scale, family)
    rounded = {"rounded": lambda y: (ours(y).clamp(0, 1) * 255).round() / 255}
    scores = evaluate(tmp_path, scale, {"ours": ours, **rounded}, CPU)
    metadata = released(scale, family).metadata
    assert metadata["train_data"] == "91-image"
    assert len(metadata["commit"]) == 40
    for protocol, methods in summarize(scores)["Set5"].items():
        assert methods["ours"]["psnr"] == pytest.approx(float(metadata[f"psnr_Set5_{protocol}"]), abs=0.01)
        assert 0 < methods["ours"]["psnr"] - methods["rounded"]["psnr"] < 0.045  # as the report says
