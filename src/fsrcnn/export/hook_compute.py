"""The hook shader as compute shaders: a pass a layer, and all channels of a pixel in one thread. The fastest.

Features and shrinking are one pass, expanding, deconvolution and shuffle another: six for FSRCNN(56, 12, 4).
Between passes the quads of a pixel lie side by side in one texture, at most four in a row. Needs OpenGL 4.3,
Vulkan or Direct3D 11.
"""

from collections.abc import Iterator

import numpy as np

from fsrcnn.export.glsl import QUAD, prelu, product, quads, vector
from fsrcnn.export.hook import (
    LUMA,
    Deconvolution,
    Layer,
    Pass,
    deconvolution,
    features,
    hook,
    layers,
    shader,
    window,
)
from fsrcnn.network.weights import Array, Weights

GROUP = 16  # side of a group of threads
ACROSS = 4  # quads in a row of a texture: wide pictures stay below the 16384 texels that it may have
CHUNK = 2  # quads of features that a group keeps at a time: 12.8 KB at x2, of 16 that Vulkan guarantees


def to_compute_shader(network: Weights) -> str:
    """The text of the shader: the network, exact but for the precision of the player's textures.

    Raises `InputError` for a network that is too large.
    """
    return shader(network, _passes(network))


def _passes(network: Weights) -> Iterator[Pass]:
    first, shrinking, *mapping, expanding = layers(network)
    read = "FSRCNN_SHRINKING"
    yield _shrinking(first, shrinking, read)
    for i, layer in enumerate(mapping):
        save = f"FSRCNN_MAPPING{i}"
        yield _mapping(layer, read, save)
        read = save
    yield _expanding(network.scale, expanding, deconvolution(network), read)


def _shrinking(first: Layer, shrinking: Layer, save: str) -> Pass:
    """Feature extraction and shrinking in one: a pixel's features are many, and needed at that pixel only."""
    statements = ["ivec2 here = ivec2(gl_GlobalInvocationID);", *window(), "vec4 feature;"]
    statements += _sums(shrinking.bias)
    for part, feature in features(first):
        statements += [*feature, *_add(_in_quads(shrinking.weight[:, part, 0, 0]), ["feature"])]
    statements += _store(shrinking.slope)
    code = LUMA + hook("void", statements)
    return Pass("features and shrinking", ["LUMA"], code, save, _grid(len(shrinking.bias)), compute=True)


def _mapping(layer: Layer, read: str, save: str) -> Pass:
    outputs, inputs, side, _ = layer.weight.shape
    statements = ["ivec2 here = ivec2(gl_GlobalInvocationID);", *_declare(inputs), *_sums(layer.bias)]
    for y, x in np.ndindex(side, side):
        statements += [
            f"tap(here + ivec2({x - side // 2}, {y - side // 2}), LUMA_size);",
            *_fetch(read, inputs),
        ]
        statements += _add(_in_quads(layer.weight[:, :, y, x]), _names(inputs))
    statements += _store(layer.slope)
    return Pass("mapping", ["LUMA", read], hook("void", statements), save, _grid(outputs), compute=True)


def _expanding(scale: int, expanding: Layer, last: Deconvolution, read: str) -> Pass:
    """Expanding, deconvolution and shuffle.

    A group of threads computes and shares a chunk of the features of its pixels and of those around them, and
    each thread adds their part of its output pixels; then the next chunk.
    """
    _, pixels, _, taps, _ = last.weight.shape
    side = GROUP + taps - 1
    inputs = expanding.weight.shape[1]
    shared = f"shared vec4 features[{CHUNK * side * side}];\n"
    statements = [
        "ivec2 here = ivec2(gl_GlobalInvocationID);",
        f"ivec2 corner = ivec2(gl_WorkGroupID) * {GROUP} - {last.before};",
        f"int own = int(gl_LocalInvocationID.y) * {side} + int(gl_LocalInvocationID.x);",
        *_declare(inputs),
        "vec4 feature;",
        *(f"vec{pixels} sum{i} = {vector(bias)};" for i, bias in enumerate(last.bias)),
    ]
    channels = quads(len(expanding.bias))
    for chunk in (channels[i : i + CHUNK] for i in range(0, len(channels), CHUNK)):
        statements += [
            f"for (int i = int(gl_LocalInvocationIndex); i < {side * side}; i += {GROUP * GROUP}) {{",
            f"tap(corner + ivec2(i % {side}, i / {side}), LUMA_size);",
            *_fetch(read, inputs),
        ]
        for i, quad in enumerate(chunk):
            terms = product(expanding.weight[quad, :, 0, 0], _names(inputs))
            value = prelu("feature", expanding.slope[quad])
            statements += [
                f"feature = {vector(expanding.bias[quad])} + {terms};",
                f"features[i + {i * side * side}] = inside * ({value});",
            ]
        statements += ["}", "barrier();"]
        for i, quad in enumerate(chunk):
            for y, x in np.ndindex(taps, taps):
                statements += [f"feature = features[own + {(i * side + y) * side + x}];"]
                statements += _add(last.weight[:, :, quad, y, x], ["feature"])
        statements += ["barrier();"]
    statements += [
        f"imageStore(out_image, here * {scale} + ivec2({i % scale}, {i // scale}), "
        f"vec4(clamp(sum{i // pixels}[{i % pixels}], 0.0, 1.0)));"
        for i in range(scale * scale)
    ]
    code = shared + hook("void", statements)
    return Pass("expanding and deconvolution", ["LUMA", read], code, size=(scale, scale), compute=True)


def _declare(channels: int) -> list[str]:
    return [f"vec4 {', '.join(_names(channels))};"]


def _names(channels: int) -> list[str]:
    return [f"quad{i}" for i in range(len(quads(channels)))]


def _fetch(texture: str, channels: int) -> list[str]:
    """The quads of the pixel `texel`, zero beyond the picture."""
    return [
        f"{name} = inside * texelFetch({texture}_raw, {_place('texel', channels, i)}, 0);"
        for i, name in enumerate(_names(channels))
    ]


def _sums(bias: Array) -> list[str]:
    return [f"vec4 sum{i} = {vector(bias[quad])};" for i, quad in enumerate(quads(len(bias)))]


def _add(weight: Array, values: list[str]) -> list[str]:
    """What adds the products of the quads `values` to the sums; weight (sums, rows of each, in)."""
    parts = [product(rows, values) for rows in weight]
    return [f"sum{i} += {terms};" for i, terms in enumerate(parts) if terms]


def _in_quads(weight: Array) -> Array:
    """A matrix (out, in) as one of each quad of outputs: (out / 4, 4, in)."""
    return weight.reshape(-1, QUAD, weight.shape[1])


def _store(slope: Array) -> list[str]:
    """What writes the PReLU of the sums."""
    return [
        f"imageStore(out_image, {_place('here', len(slope), i)}, {prelu(f'sum{i}', slope[quad])});"
        for i, quad in enumerate(quads(len(slope)))
    ]


def _grid(channels: int) -> tuple[int, int]:
    """How many quads of a pixel a texture holds across and down."""
    count = len(quads(channels))
    across = min(count, ACROSS)
    return across, -(-count // across)


def _place(pixel: str, channels: int, i: int) -> str:
    """Where quad `i` of a pixel lies."""
    across, down = _grid(channels)
    return f"{pixel} * ivec2({across}, {down}) + ivec2({i % across}, {i // across})"
