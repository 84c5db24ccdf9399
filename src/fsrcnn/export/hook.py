"""What both forms of the hook shader for mpv and libplacebo share: its passes, and the layers as quads.

A hook shader is a text of passes. Each reads textures by name and writes one, at a size of its own; those
here hook the luma plane, and the last one replaces it. mpv's manual has the format, under `--glsl-shaders`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fsrcnn.errors import InputError
from fsrcnn.export.glsl import QUAD, filled, prelu, product, quads, vector
from fsrcnn.network.weights import Array, Weights

LARGEST = 50_000  # weights; the network of the paper has 12,464
# A pass runs where the picture is enlarged by at least this share of the network's scale; below, the player's
# own scaler alone does better.
LEAST = 0.6
WINDOW = 5  # side of the first layer's kernel

# The network pads with zeros, and a texture repeats its border: `inside` is 0 beyond it.
TAP = """
ivec2 texel;
float inside;
void tap(ivec2 at, vec2 size) {
    texel = clamp(at, ivec2(0), ivec2(size) - 1);
    inside = float(texel == at);
}
"""
LUMA = """
float luma(ivec2 at) {
    tap(at, LUMA_size);
    return inside * LUMA_tex((vec2(texel) + 0.5) * LUMA_pt).x;
}
"""


class Layer(NamedTuple):
    """A convolution and its PReLU, with zeros for the channels that fill the last quad."""

    weight: Array  # (out, in, k, k)
    bias: Array  # (out,)
    slope: Array  # (out,)


class Deconvolution(NamedTuple):
    """The last layer in its sub-pixel form; the output pixels of a luma pixel in groups, one vector each."""

    weight: Array  # (groups, pixels in a group, in, k, k)
    bias: Array  # (groups, pixels in a group)
    before: int  # how many of the k taps lie before the pixel


@dataclass(frozen=True)
class Pass:
    """One pass of a shader.

    `size` is the width and height of the texture that it writes in luma pixels. A compute shader writes all
    that belongs to one luma pixel in a thread, in groups of 16x16.
    """

    layer: str
    bind: Sequence[str]  # the textures that it reads
    code: str
    save: str | None = None  # the texture that it writes; None: the luma itself
    size: tuple[int, int] = (1, 1)
    compute: bool = False


def layers(network: Weights) -> list[Layer]:
    """All layers but the last. The first one's input are the 5x5 pixels, as channels: (d, 28, 1, 1)."""
    (weight, *rest), *others = network.convolutions()
    pixels = weight.reshape(network.d, WINDOW * WINDOW, 1, 1)
    return [Layer(filled(w, 2), filled(b, 1), filled(s, 1)) for w, b, s in [(pixels, *rest), *others]]


def deconvolution(network: Weights) -> Deconvolution:
    """The last layer; a group is an output row, at x2 both rows."""
    weight, bias, before = network.subpixel()
    pixels = 4 if network.scale == 2 else network.scale
    weight = filled(weight.swapaxes(0, 1), 1).swapaxes(0, 1)
    return Deconvolution(weight.reshape(-1, pixels, *weight.shape[1:]), bias.reshape(-1, pixels), before)


def shader(network: Weights, passes: Iterable[Pass]) -> str:
    """The text of a shader, with a comment that says which network it is.

    Raises `InputError` for a network that is too large for a player to compile.
    """
    count = sum(array.size for array in network.arrays.values() if array.ndim > 1)
    name = f"FSRCNN({network.d}, {network.s}, {network.m})"
    if count > LARGEST:
        raise InputError(
            f"{name} has {count:,} weights, more than a shader's {LARGEST:,}; train a smaller one"
        )
    facts = [f"{key}: {' '.join(value.split())}" for key, value in sorted(network.metadata.items())]
    comment = [f"{name} at x{network.scale}, a hook shader for mpv and libplacebo", *facts]
    return "".join([f"// {line}\n" for line in comment] + [_text(part, network.scale) for part in passes])


def _text(part: Pass, scale: int) -> str:
    width, height = part.size
    least = f"{LEAST * scale:.1f}"
    lines = [
        "HOOK LUMA",
        *[f"BIND {name}" for name in part.bind],
        *([f"SAVE {part.save}", "COMPONENTS 4"] if part.save else []),
        f"WIDTH LUMA.w {width} *",
        f"HEIGHT LUMA.h {height} *",
        *([f"COMPUTE {16 * width} {16 * height} 16 16"] if part.compute else []),
        f"WHEN OUTPUT.w LUMA.w / {least} > OUTPUT.h LUMA.h / {least} > *",
        f"DESC FSRCNN x{scale}: {part.layer}",
    ]
    return "\n" + "".join(f"//!{line}\n" for line in lines) + TAP + part.code


def hook(kind: str, statements: Iterable[str]) -> str:
    """The function of a pass: `vec4` for a fragment shader, which returns its texel, or `void`."""
    return f"\n{kind} hook() {{\n" + "".join(f"    {line}\n" for line in statements) + "}\n"


def window() -> list[str]:
    """Statements that declare the 5x5 pixels around `here` as quads, `window0` to `window6`."""
    reach = range(-(WINDOW // 2), WINDOW // 2 + 1)
    pixels = [f"luma(here + ivec2({x}, {y}))" for y in reach for x in reach]
    pixels += ["0.0"] * (-len(pixels) % QUAD)
    return [f"vec4 window{i} = vec4({', '.join(pixels[q])});" for i, q in enumerate(quads(len(pixels)))]


def features(layer: Layer) -> Iterator[tuple[slice, list[str]]]:
    """The channels of each quad of the first layer, and statements that give `feature` their values."""
    names = [f"window{i}" for i in range(len(quads(layer.weight.shape[1])))]
    for quad in quads(len(layer.bias)):
        terms = product(layer.weight[quad, :, 0, 0], names)
        yield (
            quad,
            [
                f"feature = {vector(layer.bias[quad])} + {terms};",
                f"feature = {prelu('feature', layer.slope[quad])};",
            ],
        )
