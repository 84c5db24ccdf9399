"""PSNR through JPEG and other reductions."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from fsrcnn.data import hdf5
from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.pairs import make_pair
from fsrcnn.evaluation.degraded import DEGRADATIONS, evaluate_degraded, subpixel_form, summarize_degraded
from fsrcnn.evaluation.scores import evaluate, summarize
from fsrcnn.network.model import FSRCNN
from fsrcnn.network.pretrained import load_pretrained

CPU = torch.device("cpu")
PICTURES = [("face", data.astronaut()[:113, 170:280]), ("cat", data.chelsea()[100:180, 100:221])]


@pytest.fixture
def folder(tmp_path):
    """Two pictures as the download stage leaves them, of sides that are no multiples of 4."""
    hdf5.write_pictures(tmp_path / "pictures/own.h5", PICTURES, source="own", made="test")
    pairs = [Pair(*make_pair(Image.fromarray(pixels), 4, "crop"), name) for name, pixels in PICTURES]
    hdf5.write_pairs(tmp_path / "own_standard.h5", pairs, 4, source="own", made="test")
    return tmp_path


def test_every_degradation_is_scored_as_the_standard_protocol_does(folder):
    networks = {"scratch": load_pretrained(4)}
    scores = evaluate_degraded(folder, 4, networks, CPU, ["own", "without pictures"])
    assert evaluate_degraded(folder, 4, networks, CPU, ["own"]) == scores
    assert len(scores) == len(PICTURES) * len(DEGRADATIONS) * 2
    (psnr,) = summarize_degraded(scores).values()
    assert list(psnr) == list(DEGRADATIONS)
    standard = summarize(evaluate(folder, 4, networks, CPU))["own"]["standard"]
    assert psnr["clean"] == {method: pytest.approx(standard[method]["psnr"], abs=2e-3) for method in standard}
    by_quality = [psnr[f"jpeg{quality}"]["bicubic"] for quality in (30, 50, 75, 85, 95)]
    assert by_quality == sorted(by_quality)
    gains = {name: methods["scratch"] - methods["bicubic"] for name, methods in psnr.items()}
    assert gains["clean"] > 1
    assert gains["jpeg30"] < gains["jpeg75"] < gains["jpeg95"] < gains["clean"]
    assert gains["aliased_bilinear"] < 0  # of which the networks know nothing


def test_a_set_counts_every_picture_alike(folder):
    scores = [s for s in evaluate_degraded(folder, 4, {}, CPU, ["own"]) if s.degradation == "area"]
    mean = summarize_degraded(scores)["own"]["area"]["bicubic"]
    assert mean == pytest.approx(np.mean([s.psnr for s in scores]), abs=1e-4)
    assert scores[0].psnr != scores[1].psnr


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_form_is_the_network(scale):
    network, y = FSRCNN(scale, d=8, s=4, m=1), torch.rand(1, 1, 13, 17)
    with torch.inference_mode():
        torch.testing.assert_close(subpixel_form(network)(y), network(y), rtol=0, atol=1e-5)
    assert subpixel_form(torch.neg) is torch.neg
