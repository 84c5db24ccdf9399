import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from fsrcnn.inference.onnx_graph import OPSET, difference, to_onnx
from fsrcnn.network.checkpoint import weights_of
from tests.network.test_model import randomized

ONNXRUNTIME = """
session = onnxruntime.InferenceSession(path)
(out,) = session.run(None, {"y": y})
"""
OPENCV = """
network = cv2.dnn.readNetFromONNX(path)
network.setInput(y)
out = network.forward()
"""


@pytest.mark.parametrize(("module", "code"), [("onnxruntime", ONNXRUNTIME), ("cv2", OPENCV)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_file_works_without_torch(tmp_path, module, code, scale):
    pytest.importorskip(module)
    network = randomized(scale)
    path = tmp_path / "fsrcnn.onnx"
    path.write_bytes(to_onnx(weights_of(network)).SerializeToString())
    for size in [(1, 1, 11, 8), (8, 1, 5, 16)]:
        y = torch.rand(size)
        np.save(tmp_path / "y.npy", y.numpy())
        script = f"""
import sys, numpy, {module}
path, y = {str(path)!r}, numpy.load({str(tmp_path / "y.npy")!r})
{code}
assert "torch" not in sys.modules
numpy.save({str(tmp_path / "out.npy")!r}, out)
"""
        subprocess.run([sys.executable, "-c", script], check=True)
        expected = network(y).detach().numpy()
        out = np.load(tmp_path / "out.npy")
        assert out.shape == expected.shape
        assert np.abs(out - expected).max() < 1e-5 * np.abs(expected).max()


def test_metadata_and_opset():
    model = to_onnx(weights_of(randomized(3), {"source": "published", "scale": "7"}))
    assert {p.key: p.value for p in model.metadata_props} == {
        "source": "published",
        "scale": "3",
        "d": "56",
        "s": "12",
        "m": "4",
    }
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    shape = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == ["batch", 1, "height", "width"]


def test_difference_sees_a_wrong_weight():
    network = randomized(4)
    model = to_onnx(weights_of(network))

    def plain(y):
        return network(torch.from_numpy(y)).detach().numpy()

    assert difference(model, plain) < 1e-4
    (bias,) = [w for w in model.graph.initializer if w.name == "subpixel.bias"]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.ones(16, np.float32), bias.name))
    assert difference(model, plain) > 1e-2
