"""The hook shader as fragment shaders: a pass a quad of channels. Runs on OpenGL 3.3 and OpenGL ES 3 too.

A fragment shader writes four numbers a pixel, so that FSRCNN(56, 12, 4) takes 31 passes at x2: 3 for features
and shrinking, 12 for mapping, 14 for expanding, 1 for the deconvolution (3 at x3, 4 at x4) and 1 to shuffle.
"""

from collections.abc import Iterator

import numpy as np

from fsrcnn.export.glsl import QUAD, prelu, product, quads, vector
from fsrcnn.export.hook import LUMA, Layer, Pass, deconvolution, features, hook, layers, shader, window
from fsrcnn.network.weights import Array, Weights

MAX_BINDS = 16  # textures that a pass may read, in mpv and in libplacebo
# Where mpv uses OpenGL ES a texel has medium precision, and so would a product with constants.
EXACT = """
vec4 exact(vec4 texel) {
    return texel;
}
"""


def to_fragment_shader(network: Weights) -> str:
    """The text of the shader: the network, exact but for the precision of the player's textures.

    Raises `InputError` for a network that is too large.
    """
    return shader(network, _passes(network))


def _passes(network: Weights) -> Iterator[Pass]:
    first, shrinking, *mapping, expanding = layers(network)
    read = _textures("SHRINKING", len(shrinking.bias))
    for quad, save in zip(quads(len(shrinking.bias)), read, strict=True):
        yield _shrinking(first, Layer(*(array[quad] for array in shrinking)), save)
    for name, layer in [
        *((f"MAPPING{i}", layer) for i, layer in enumerate(mapping)),
        ("EXPANDING", expanding),
    ]:
        write = _textures(name, len(layer.bias))
        for quad, save in zip(quads(len(layer.bias)), write, strict=True):
            weight, bias, slope = (array[quad] for array in layer)
            yield from _convolution(weight, bias, weight.shape[-1] // 2, read, save, prelu("sum", slope))
        read = write
    last = deconvolution(network)
    write = [f"FSRCNN_SUBPIXEL_{i}" for i in range(len(last.bias))]
    for weight, bias, save in zip(last.weight, last.bias, write, strict=True):
        yield from _convolution(weight, bias, last.before, read, save, _whole(bias))
    yield _shuffle(network.scale, last.bias.shape[1], write)


def _textures(name: str, channels: int) -> list[str]:
    return [f"FSRCNN_{name}_{i}" for i in range(len(quads(channels)))]


def _whole(bias: Array) -> str:
    """The sum as a texture takes it: with all four components."""
    return "sum" if len(bias) == QUAD else "vec4(sum, 0.0)"


def _shrinking(first: Layer, quad: Layer, save: str) -> Pass:
    """A quad of shrinking, with all features: a pixel's are many, and needed at that pixel only."""
    statements = ["ivec2 here = ivec2(LUMA_pos * LUMA_size);", *window()]
    statements += ["vec4 feature;", f"vec4 sum = {vector(quad.bias)};"]
    for part, feature in features(first):
        if terms := product(quad.weight[:, part, 0, 0], ["feature"]):
            statements += [*feature, f"sum += {terms};"]
    statements += [f"return {prelu('sum', quad.slope)};"]
    return Pass("features and shrinking", ["LUMA"], LUMA + hook("vec4", statements), save)


def _convolution(
    weight: Array, bias: Array, before: int, read: list[str], save: str, result: str
) -> Iterator[Pass]:
    """A convolution of all quads of `read` to one texture, which takes the expression `result` of the `sum`.

    Weight (rows, in, k, k), bias (rows,). With more quads than a pass may read, a pass hands its sum on.
    """
    layer = save.removeprefix("FSRCNN_").lower().replace("_", " ")
    most = MAX_BINDS - 1
    kind = f"vec{len(bias)}"
    sum_ = vector(bias)
    earlier: list[str] = []
    for start in range(0, len(read), most):
        names = read[start : start + most]
        is_last = start + most >= len(read)
        target = save if is_last else f"{save}_SUM{start}"
        statements = [f"ivec2 here = ivec2({names[0]}_pos * {names[0]}_size);", f"{kind} sum = {sum_};"]
        statements += _taps(weight[:, QUAD * start : QUAD * (start + most)], before, names)
        statements += [f"return {result if is_last else _whole(bias)};"]
        yield Pass(layer, [*names, *earlier], EXACT + hook("vec4", statements), target)
        sum_, earlier = f"{kind}(texelFetch({target}_raw, here, 0))", [target]


def _taps(weight: Array, before: int, read: list[str]) -> Iterator[str]:
    texels = [f"exact(texelFetch({name}_raw, texel, 0))" for name in read]
    for y, x in np.ndindex(weight.shape[2:]):
        if terms := product(weight[:, :, y, x], texels):
            yield f"tap(here + ivec2({x - before}, {y - before}), {read[0]}_size);"
            yield f"sum += inside * ({terms});"


def _shuffle(scale: int, pixels: int, read: list[str]) -> Pass:
    """Each output pixel from its place in the groups, `pixels` in each."""
    statements = [
        f"ivec2 pixel = ivec2({read[0]}_pos * {read[0]}_size * {scale}.0);",
        f"ivec2 here = pixel / {scale};",
        f"int place = pixel.y % {scale} * {scale} + pixel.x % {scale};",
        "vec4 group;",
        *(
            f"if (place / {pixels} == {i}) group = texelFetch({name}_raw, here, 0);"
            for i, name in enumerate(read)
        ),
        f"return vec4(clamp(group[place % {pixels}], 0.0, 1.0));",
    ]
    return Pass("shuffle", read, hook("vec4", statements), size=(scale, scale))
