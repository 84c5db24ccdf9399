import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fsrcnn.data.luma import luma
from fsrcnn.export.opencv_graph import BLACK, RANGE, constants, to_opencv
from fsrcnn.inference import backends
from fsrcnn.network.weights import released
from tests.export.networks import random_weights

CONTRIB = "opencv-contrib-python-headless"
# What its users write, on pictures without this package.
DNN_SUPERRES = """
import sys, cv2, numpy
small = numpy.load(sys.argv[2])
network = cv2.dnn_superres.DnnSuperResImpl.create()
network.readModel(sys.argv[1])
network.setModel("fsrcnn", 4)
numpy.savez(sys.argv[3], **{name: network.upsample(small[name]) for name in small})
assert not {"torch", "fsrcnn"} & set(sys.modules)
"""


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(56, 12, 4), (7, 3, 0)])
def test_cv2_reads_it(tmp_path, scale, shape):
    cv2 = pytest.importorskip("cv2")
    network = random_weights(scale, *shape)
    path = tmp_path / "fsrcnn.pb"
    path.write_bytes(to_opencv(network))
    model = cv2.dnn.readNetFromTensorflow(str(path))
    plain = backends.load(network, "onnxruntime")
    for size in [(1, 1, 11, 8), (1, 1, 5, 16)]:
        y = np.random.default_rng(0).random(size, np.float32)
        model.setInput(y)
        expected = (plain(y * RANGE + BLACK) - BLACK) / RANGE
        assert np.abs(model.forward() - expected).max() < 1e-5 * np.abs(expected).max()


def test_constants_are_those_of_the_network():
    network = random_weights(2, 8, 4, 1)
    graph = to_opencv(network)
    found = constants(graph)
    for i, (weight, bias, slope) in enumerate(network.convolutions()):
        assert np.array_equal(found[f"convolution{i}/0"].transpose(3, 2, 0, 1), weight)
        assert np.array_equal(found[f"convolution{i}/bias/0"], bias)
        assert np.array_equal(found[f"prelu{i}/0"], slope)
    with pytest.raises(ValueError, match="cut"):
        constants(graph[:-1])


@pytest.fixture(scope="module")
def contrib(tmp_path_factory):
    """A folder with OpenCV's extra modules, which can't be installed beside OpenCV."""
    folder = tmp_path_factory.mktemp("contrib")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(folder),
        CONTRIB,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{CONTRIB} can't be installed: {done.stderr.splitlines()[-1]}")
    return folder


def test_set5_through_dnn_superres(tmp_path, mirror, contrib):
    (tmp_path / "fsrcnn.pb").write_bytes(to_opencv(released(4)))
    large, small = {}, {}
    for path in sorted((mirror / "Set5").iterdir()):
        with Image.open(path) as image:
            whole = image.convert("RGB").crop((0, 0, image.width // 4 * 4, image.height // 4 * 4))
        reduced = whole.resize((whole.width // 4, whole.height // 4), Image.Resampling.BICUBIC)
        large[path.stem] = np.asarray(whole)
        small[path.stem] = np.asarray(reduced)[..., ::-1]  # OpenCV's order
    np.savez(tmp_path / "small.npz", **small)
    command = [sys.executable, "-c", DNN_SUPERRES, "fsrcnn.pb", "small.npz", "out.npz"]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(contrib)}, check=True)
    out = np.load(tmp_path / "out.npz")
    scores = [_psnr(out[name][..., ::-1], large[name]) for name in large]
    assert len(scores) == 5
    assert np.mean(scores) > 31  # bicubic: 28.67


def _psnr(rgb, expected, border=4):
    """On luma, without the border."""
    inner = slice(border, -border)
    error = (luma(rgb) - luma(expected))[inner, inner]
    return 10 * np.log10(255**2 / np.mean(error**2))
