import numpy as np
import pytest
import torch
from PIL import Image

from fsrcnn.data import hdf5
from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.pairs import make_pair
from fsrcnn.download.folder import read_folder
from fsrcnn.errors import InputError
from fsrcnn.evaluation.comparison import CAPTION, draw_comparison
from fsrcnn.evaluation.scores import evaluate, evaluation_files, summarize
from fsrcnn.network.model import FSRCNN

CPU = torch.device("cpu")


class Nearest(torch.nn.Module):
    """A stand-in whose result is known: every pixel repeated, and pushed out of 0..1."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return y.repeat_interleave(2, 2).repeat_interleave(2, 3) * self.gain


@pytest.fixture
def folder(tmp_path):
    """One image whose HR is its LR repeated, with an error of 51 (0.2) in the outermost pixels."""
    lr = np.full((16, 14), 102, np.float32)
    hr = np.kron(lr, np.ones((2, 2), np.float32))
    hr[0, :] += 51
    for protocol in ("reference", "standard"):
        path = tmp_path / f"Set5_{protocol}.h5"
        hdf5.write_pairs(path, [Pair(lr, hr, "flat")], 2, source="Set5", made="by hand")
    return tmp_path


def test_protocols_differ_by_the_border(folder):
    scores = {(s.protocol, s.method): s for s in evaluate(folder, 2, {"near": Nearest(1.0)}, CPU)}
    # One of 32 rows is wrong by 0.2: the MSE is 0.04 / 32.
    assert scores["reference", "near"].psnr == pytest.approx(10 * np.log10(32 / 0.04), abs=1e-3)
    assert scores["standard", "near"].psnr == 100
    assert scores["standard", "bicubic"].psnr == 100
    assert scores["reference", "near"].ssim < scores["standard", "near"].ssim == pytest.approx(1)
    assert scores["reference", "near"].image == "flat"


def test_output_is_clamped(folder):
    # A gain of 10 lifts 0.4 to 4: clamped to 1, an error of 0.6.
    (score,) = (
        s
        for s in evaluate(folder, 2, {"near": Nearest(10.0)}, CPU)
        if (s.protocol, s.method) == ("standard", "near")
    )
    assert score.psnr == pytest.approx(-20 * np.log10(0.6), abs=1e-3)


def test_summary_has_the_shape_that_tools_read(folder):
    scores = evaluate(folder, 2, {"scratch": Nearest(1.0), "transfer": Nearest(0.5)}, CPU)
    doubled = [*scores, *(s._replace(image="other", psnr=s.psnr + 2) for s in scores)]
    summary = summarize(doubled)
    assert list(summary) == ["Set5"]
    assert list(summary["Set5"]) == ["reference", "standard"]
    assert list(summary["Set5"]["reference"]) == ["bicubic", "scratch", "transfer"]
    single = summarize(scores)["Set5"]["reference"]["scratch"]
    assert summary["Set5"]["reference"]["scratch"]["psnr"] == pytest.approx(single["psnr"] + 1, abs=1e-3)
    assert set(single) == {"psnr", "ssim"}


def test_sets_come_in_the_order_asked_for(tmp_path):
    for name in ("Set14_reference.h5", "Set5_standard.h5", "my_set_reference.h5", "notes.txt"):
        (tmp_path / name).touch()
    names = [path.name for path in evaluation_files(tmp_path, ["my_set", "absent", "Set5"])]
    assert names == ["my_set_reference.h5", "Set5_standard.h5", "Set14_reference.h5"]


def test_no_evaluation_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no evaluation files"):
        evaluation_files(tmp_path)


@pytest.mark.parametrize(("scale", "published"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_bicubic_on_set5_is_the_published_figure(mirror, tmp_path, scale, published):
    pairs = (Pair(*make_pair(image, scale, "crop"), name) for name, image in read_folder(mirror / "Set5"))
    hdf5.write_pairs(tmp_path / "Set5_standard.h5", pairs, scale, source="Set5", made="test")
    summary = summarize(evaluate(tmp_path, scale, {}, CPU))
    # The literature reduces with MATLAB and rounds to 8 bits, which costs up to 0.07 dB.
    assert summary["Set5"]["standard"]["bicubic"]["psnr"] == pytest.approx(published, abs=0.08)


def test_comparison_picture(tmp_path):
    rng = np.random.default_rng(0)
    pair = Pair(rng.uniform(0, 255, (40, 50)).astype(np.float32), np.zeros((80, 100), np.float32), "noise")
    path = tmp_path / "plots" / "comparison.png"
    draw_comparison(pair, 2, FSRCNN(2), CPU, path)
    with Image.open(path) as picture:
        assert picture.size == (4 * 80 * 3 + 3 * 4, 80 * 3 + CAPTION)
        low = np.asarray(picture)[CAPTION:, : 80 * 3]
        original = np.asarray(picture)[CAPTION:, -80 * 3 :]
    assert original.max() == 0
    assert low.std() > 30
    assert (low[:6, :6] == low[0, 0]).all()
