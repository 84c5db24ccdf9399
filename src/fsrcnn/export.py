"""The trained network as an ONNX file, in its exact sub-pixel form.

The graph is a dozen nodes, written down here with `onnx.helper`: the same convolutions, PReLUs and
a DepthToSpace. Input `y` (batch, 1, height, width) luma in 0..1; output `upscaled`
(batch, 1, scale*height, scale*width), not clamped; float32; batch, height and width are dynamic.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper
from torch import Tensor

from fsrcnn.model import FSRCNN, subpixel_index

OPSET = 17
IR_VERSION = 8  # the one that goes with the opset
INPUT, OUTPUT = "y", "upscaled"


def to_onnx(network: FSRCNN, metadata: dict[str, str] | None = None) -> onnx.ModelProto:
    """The model, with the network's scale, d, s, m and `metadata` in its metadata properties."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def constant(name: str, tensor: Tensor | np.ndarray) -> str:
        array = tensor.detach().cpu().numpy() if isinstance(tensor, Tensor) else tensor
        weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(kind: str, name: str, inputs: list[str], **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def convolution(name: str, value: str, weight: Tensor, bias: Tensor, before: int, after: int) -> str:
        inputs = [value, constant(f"{name}.weight", weight), constant(f"{name}.bias", bias)]
        return node("Conv", name, inputs, kernel_shape=weight.shape[2:], pads=[before] * 2 + [after] * 2)

    value = INPUT
    for part in ("feature_extraction", "shrinking", "mapping", "expanding"):
        layers = list(getattr(network, part))
        for i in range(0, len(layers), 2):
            conv, prelu = layers[i : i + 2]
            padding = conv.padding[0]
            value = convolution(f"{part}.{i}", value, conv.weight, conv.bias, padding, padding)
            slope = constant(f"{part}.{i + 1}.slope", prelu.weight[:, None, None])
            value = node("PRelu", f"{part}.{i + 1}", [value, slope])
    _, kernel, before = subpixel_index(network.scale)
    value = convolution("subpixel", value, *network.subpixel_weights(), before, kernel - 1 - before)
    node("DepthToSpace", OUTPUT, [value], blocksize=network.scale, mode="CRD")

    def image(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    large = (f"{network.scale}*height", f"{network.scale}*width")
    graph = helper.make_graph(
        nodes,
        "fsrcnn",
        [image(INPUT, "batch", 1, "height", "width")],
        [image(OUTPUT, "batch", 1, *large)],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="fsrcnn"
    )
    shape = {key: str(getattr(network, key)) for key in ("scale", "d", "s", "m")}
    helper.set_model_props(model, {**(metadata or {}), **shape})
    onnx.checker.check_model(model, full_check=True)
    return model
