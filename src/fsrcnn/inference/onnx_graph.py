"""The trained network as an ONNX file, in its exact sub-pixel form.

The graph is a dozen nodes, written down here with `onnx.helper`: the same convolutions, PReLUs and
a DepthToSpace. Input `y` (batch, 1, height, width) luma in 0..1; output `upscaled`
(batch, 1, scale*height, scale*width), not clamped; float32; batch, height and width are dynamic.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from fsrcnn.network.weights import Array, Weights

OPSET = 17
IR_VERSION = 8  # the one that goes with the opset
INPUT, OUTPUT = "y", "upscaled"


def to_onnx(weights: Weights) -> onnx.ModelProto:
    """The model, with the network's scale, d, s, m and metadata in its metadata properties."""
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, array: Array) -> str:
        constants.append(numpy_helper.from_array(array, name))
        return name

    def node(kind: str, name: str, inputs: list[str], **attributes: Any) -> str:  # noqa: ANN401
        nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def convolution(name: str, value: str, weight: Array, bias: Array, before: int) -> str:
        kernel = weight.shape[-1]
        pads = [before] * 2 + [kernel - 1 - before] * 2
        inputs = [value, constant(f"{name}.weight", weight), constant(f"{name}.bias", bias)]
        return node("Conv", name, inputs, kernel_shape=[kernel] * 2, pads=pads)

    value = INPUT
    for i, (weight, bias, slope) in enumerate(weights.convolutions()):
        value = convolution(f"convolution{i}", value, weight, bias, weight.shape[-1] // 2)
        value = node("PRelu", f"prelu{i}", [value, constant(f"prelu{i}.slope", slope[:, None, None])])
    value = convolution("subpixel", value, *weights.subpixel())
    node("DepthToSpace", OUTPUT, [value], blocksize=weights.scale, mode="CRD")

    def image(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    large = (f"{weights.scale}*height", f"{weights.scale}*width")
    graph = helper.make_graph(
        nodes,
        "fsrcnn",
        [image(INPUT, "batch", 1, "height", "width")],
        [image(OUTPUT, "batch", 1, *large)],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="fsrcnn"
    )
    helper.set_model_props(model, {**weights.metadata, **weights.shape})
    onnx.checker.check_model(model, full_check=True)
    return model


def difference(model: onnx.ModelProto, plain: Callable[[np.ndarray], np.ndarray]) -> float:
    """The largest difference of an output pixel between the model and the plain network.

    `plain` maps (N, 1, h, w) to (N, 1, h*scale, w*scale). Of one random batch of odd size, by ONNX's own
    reference implementation.
    """
    y = np.random.default_rng(0).random((2, 1, 13, 9), np.float32)
    (out,) = ReferenceEvaluator(model).run(None, {INPUT: y})
    return float(np.abs(out - plain(y)).max())
