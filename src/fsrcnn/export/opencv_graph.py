"""The network as OpenCV's `dnn_superres` reads it: a TensorFlow graph (GraphDef), written without TensorFlow.

`dnn_superres` gives luma of the full range in 0..1 and takes the same back, where the network was trained on
16..235 of 255. The way there is a 1x1 convolution of its own: in the 5x5 of the first layer it would change
what the zeros around the picture stand for. The way back is part of the last layer, whose output pixels a
DepthToSpace puts in place.
"""

import numpy as np

from fsrcnn.data.luma import BLUE, GREEN, RED
from fsrcnn.export.protobuf import fields, integer, nested
from fsrcnn.network.weights import Array, Weights

BLACK = np.float32(16 / 255)  # in the network's luma
RANGE = np.float32((RED + GREEN + BLUE) / 256)  # of the network's luma, for 1 of the full range
INPUT = "y"

# Field numbers of TensorFlow's graph, node_def, attr_value, tensor and tensor_shape.proto.
NODE = 1
NAME, OP, NODE_INPUT, ATTRIBUTE = 1, 2, 3, 5
KEY, VALUE = 1, 2
LIST, TEXT, INTEGER, TYPE, TENSOR = 1, 2, 3, 6, 8
LIST_INTEGER = 3
TENSOR_TYPE, TENSOR_SHAPE, TENSOR_CONTENT = 1, 2, 4
DIMENSION, SIZE = 2, 1
FLOAT = integer(TYPE, 1)  # DT_FLOAT


def to_opencv(network: Weights) -> bytes:
    """The file, of the type `.pb`: NHWC; input full-range luma in 0..1, output the same, not clamped."""
    nodes = [_node("Placeholder", INPUT, [], dtype=FLOAT)]
    value = INPUT

    def node(op: str, name: str, *constants: Array, **attributes: bytes) -> None:
        nonlocal value
        names = [f"{name}/{i}" for i in range(len(constants))]
        nodes.extend(_constant(key, array) for key, array in zip(names, constants, strict=True))
        nodes.append(_node(op, name, [value, *names], T=FLOAT, **attributes))
        value = name

    def convolution(name: str, weight: Array, bias: Array) -> None:
        ones = nested(LIST, *[integer(LIST_INTEGER, 1)] * 4)
        padding, layout = nested(TEXT, b"SAME"), nested(TEXT, b"NHWC")
        node("Conv2D", name, weight.transpose(2, 3, 1, 0), strides=ones, padding=padding, data_format=layout)
        node("BiasAdd", f"{name}/bias", bias, data_format=layout)

    convolution("range", np.full((1, 1, 1, 1), RANGE), np.full(1, BLACK))
    for i, (weight, bias, slope) in enumerate(network.convolutions()):
        convolution(f"convolution{i}", weight, bias)
        node("PReLU", f"prelu{i}", slope)
    weight, bias = _subpixel(network)
    convolution("subpixel", weight / RANGE, (bias - BLACK) / RANGE)
    # Versions of OpenCV differ in the name.
    block = integer(INTEGER, network.scale)
    node("DepthToSpace", "upscaled", block_size=block, blocksize=block)
    return b"".join(nodes)


def constants(graph: bytes) -> dict[str, Array]:
    """The constants of such a file by their names, as it holds them: kernels (k, k, in, out), biases, slopes.

    Raises `ValueError` where the file is cut.
    """
    found = {}
    for _, node in fields(graph):
        parts = list(fields(node))
        if (OP, b"Const") not in parts:
            continue
        attributes = [dict(fields(part)) for number, part in parts if number == ATTRIBUTE]
        (value,) = [attribute[VALUE] for attribute in attributes if attribute[KEY] == b"value"]
        tensor = dict(fields(dict(fields(value))[TENSOR]))
        shape = [dict(fields(size))[SIZE] for _, size in fields(tensor[TENSOR_SHAPE])]
        found[dict(parts)[NAME].decode()] = np.frombuffer(tensor[TENSOR_CONTENT], "<f4").reshape(shape)
    return found


def _subpixel(network: Weights) -> tuple[Array, Array]:
    """The last layer with as many taps before the pixel as behind it, as OpenCV pads; some are zero."""
    weight, bias, before = network.subpixel()
    behind = weight.shape[-1] - 1 - before
    side = max(before, behind)
    taps = (side - before, side - behind)
    return np.pad(weight, [(0, 0), (0, 0), taps, taps]), bias


def _node(op: str, name: str, inputs: list[str], **attributes: bytes) -> bytes:
    return nested(
        NODE,
        nested(NAME, name.encode()),
        nested(OP, op.encode()),
        *[nested(NODE_INPUT, source.encode()) for source in inputs],
        *[nested(ATTRIBUTE, nested(KEY, k.encode()), nested(VALUE, v)) for k, v in attributes.items()],
    )


def _constant(name: str, array: Array) -> bytes:
    shape = [nested(DIMENSION, integer(SIZE, size)) for size in array.shape]
    content = nested(TENSOR_CONTENT, np.ascontiguousarray(array, "<f4").tobytes())
    tensor = nested(TENSOR, integer(TENSOR_TYPE, 1), nested(TENSOR_SHAPE, *shape), content)
    return _node("Const", name, [], dtype=FLOAT, value=tensor)
