"""The trained network as an ONNX file, in its exact sub-pixel form.

The graph is a dozen nodes, written down here with `onnx.helper`: the same convolutions, PReLUs and
a DepthToSpace. Input `y` (batch, 1, height, width) luma in 0..1; output `upscaled`
(batch, 1, scale*height, scale*width), not clamped; float32; batch, height and width are dynamic.
"""

from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from fsrcnn.inference.subpixel import convolutions
from fsrcnn.network.checkpoint import SHAPE_KEYS
from fsrcnn.network.model import FSRCNN, subpixel_index

OPSET = 17
IR_VERSION = 8  # the one that goes with the opset
INPUT, OUTPUT = "y", "upscaled"


def to_onnx(network: FSRCNN, metadata: dict[str, str] | None = None) -> onnx.ModelProto:
    """The model, with the network's scale, d, s, m and `metadata` in its metadata properties."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def constant(name: str, tensor: Tensor) -> str:
        weights.append(numpy_helper.from_array(tensor.detach().contiguous().numpy(), name))
        return name

    def node(kind: str, name: str, inputs: list[str], **attributes: Any) -> str:  # noqa: ANN401
        nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def convolution(name: str, value: str, weight: Tensor, bias: Tensor, before: int) -> str:
        kernel = weight.shape[-1]
        pads = [before] * 2 + [kernel - 1 - before] * 2
        inputs = [value, constant(f"{name}.weight", weight), constant(f"{name}.bias", bias)]
        return node("Conv", name, inputs, kernel_shape=[kernel] * 2, pads=pads)

    value = INPUT
    for i, (conv, prelu) in enumerate(convolutions(network)):
        weight, bias = conv.parameters()
        value = convolution(f"convolution{i}", value, weight, bias, conv.kernel_size[0] // 2)
        slope = constant(f"prelu{i}.slope", prelu.weight[:, None, None])
        value = node("PRelu", f"prelu{i}", [value, slope])
    index, before = subpixel_index(network.scale)
    value = convolution("subpixel", value, *network.subpixel_weights(index), before)
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
    shape = {key: str(getattr(network, key)) for key in SHAPE_KEYS}
    helper.set_model_props(model, {**(metadata or {}), **shape})
    onnx.checker.check_model(model, full_check=True)
    return model


def difference(model: onnx.ModelProto, network: FSRCNN) -> float:
    """The largest difference of an output pixel between the model and the plain network.

    Of one random batch of odd size, by ONNX's own reference implementation.
    """
    y = torch.rand(2, 1, 13, 9, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(y)
    (out,) = ReferenceEvaluator(model).run(None, {INPUT: y.numpy()})
    return float((torch.from_numpy(out) - expected).abs().max())
