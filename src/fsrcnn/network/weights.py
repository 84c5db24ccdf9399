"""Weights on disk and in NumPy: one safetensors file a network, which says itself what network it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize

from fsrcnn.errors import InputError
from fsrcnn.files import atomic
from fsrcnn.limits import DEEPEST, FAMILIES, SCALES, SMALL, WIDEST, Family, network_name
from fsrcnn.network.deconvolution import KERNEL, subpixel_index

Array = NDArray[np.float32]

SHAPE_KEYS = ("scale", "d", "s", "m")
RELEASED = files("fsrcnn.network") / "released"


@dataclass(frozen=True, eq=False)
class Weights:
    """FSRCNN(d, s, m) for one scale as arrays, under the names of `FSRCNN.state_dict()`.

    `metadata` says where they come from; the shape is not part of it.
    """

    scale: int
    d: int
    s: int
    m: int
    arrays: Mapping[str, Array]
    metadata: Mapping[str, str]

    @property
    def shape(self) -> dict[str, str]:
        """Scale, d, s, m as the metadata of a file have them."""
        return {key: str(getattr(self, key)) for key in SHAPE_KEYS}

    @property
    def family(self) -> str:
        """What networks so trained are called: "clean", or "photo" by the metadata; "-s" for FSRCNN-s."""
        family = "clean" if self.metadata.get("degradation", "none") == "none" else "photo"
        return f"{family}-s" if (self.d, self.s, self.m) == SMALL else family

    def convolutions(self) -> list[tuple[Array, Array, Array]]:
        """All layers but the last, in order: weight (out, in, k, k), bias (out,), PReLU slope (out,)."""
        return [
            (self.arrays[f"{layer}.weight"], self.arrays[f"{layer}.bias"], self.arrays[f"{prelu}.weight"])
            for layer, prelu in _layers(self.m)
        ]

    def deconvolution(self) -> tuple[Array, Array]:
        """The last layer: weight (d, 1, 9, 9) and bias (1,)."""
        return self.arrays["deconvolution.weight"], self.arrays["deconvolution.bias"]

    def subpixel(self) -> tuple[Array, Array, int]:
        """The last layer as a convolution at low resolution, of which a pixel shuffle makes the image.

        Weight (scale^2, d, k, k), bias (scale^2,), and how many of the k taps lie before the pixel.
        """
        weight, bias = self.deconvolution()
        index, before = subpixel_index(self.scale)
        flat = np.pad(weight.reshape(self.d, -1), ((0, 0), (0, 1)))  # NO_TAP weighs nothing
        return flat[:, index].swapaxes(0, 1), bias.repeat(len(index)), before


def released(scale: int, family: Family = "clean") -> Weights:
    """The released network of a scale and family out of the package: FSRCNN(56, 12, 4), or FSRCNN-s.

    Its metadata say what it was trained on and what it reaches. Raises `InputError` for another scale or
    family.
    """
    if scale not in SCALES:
        raise InputError(f"no released network for scale {scale!r}; choose {', '.join(map(str, SCALES))}")
    if family not in FAMILIES:
        raise InputError(f"no released family {family!r}; choose {', '.join(FAMILIES)}")
    with as_file(RELEASED / f"{network_name(scale, family)}.safetensors") as path:
        return load(path)


def save(weights: Weights, path: Path) -> None:
    """Write the arrays with scale, d, s, m and the metadata, atomically; equal weights are equal bytes."""
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in weights.arrays.items()}
    content = _sorted_metadata(serialize(arrays, metadata={**weights.metadata, **weights.shape}))
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def load(path: Path) -> Weights:
    """Read a file.

    Raises `InputError` when it is missing, is not safetensors, holds another network, or holds weights
    that are not finite.
    """
    metadata = read_metadata(path)
    try:
        scale, d, s, m = (int(metadata.pop(key)) for key in SHAPE_KEYS)
    except (KeyError, ValueError):
        raise InputError(f"{path}: no FSRCNN weights (metadata lacks scale, d, s, m)") from None
    if not (1 <= d <= WIDEST and 1 <= s <= WIDEST and 0 <= m <= DEEPEST):
        raise InputError(f"{path}: impossible network shape in the metadata: d {d}, s {s}, m {m}")
    if scale not in SCALES:
        raise InputError(f"{path}: made for scale {scale}; there are {SCALES}")
    expected = shapes(d, s, m)
    arrays = {}
    with safe_open(path, framework="np") as file:
        # By the headers first: the file may be far larger, or smaller, than what it claims to be.
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        found = {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
        for name in sorted(expected.keys() | found.keys()):
            if reason := _misfit(expected.get(name), found.get(name)):
                raise InputError(f"{path}: weights do not fit FSRCNN{(scale, d, s, m)}: {name} {reason}")
        for name in expected:
            arrays[name] = file.get_tensor(name)
            if not np.isfinite(arrays[name]).all():
                raise InputError(f"{path}: {name} holds NaN or infinity; train again")
    return Weights(scale, d, s, m, arrays, metadata)


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, sorted.

    Raises `InputError` when it is missing or not safetensors.
    """
    try:
        with safe_open(path, framework="np") as file:
            return dict(sorted((file.metadata() or {}).items()))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; train first") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({error})") from None


def shapes(d: int, s: int, m: int) -> dict[str, tuple[int, ...]]:
    """The shape of every array of FSRCNN(d, s, m), in the order of the layers; the same at every scale."""
    sizes = [(d, 1, 5), (s, d, 1), *[(s, s, 3)] * m, (d, s, 1)]
    expected: dict[str, tuple[int, ...]] = {}
    for (layer, prelu), (outputs, inputs, kernel) in zip(_layers(m), sizes, strict=True):
        expected[f"{layer}.weight"] = (outputs, inputs, kernel, kernel)
        expected[f"{layer}.bias"] = expected[f"{prelu}.weight"] = (outputs,)
    return {**expected, "deconvolution.weight": (d, 1, KERNEL, KERNEL), "deconvolution.bias": (1,)}


def _layers(m: int) -> list[tuple[str, str]]:
    """The names of each convolution before the deconvolution, and of its PReLU, in order."""
    sequences = [("feature_extraction", 1), ("shrinking", 1), ("mapping", m), ("expanding", 1)]
    return [(f"{part}.{2 * i}", f"{part}.{2 * i + 1}") for part, count in sequences for i in range(count)]


def _misfit(expected: tuple[int, ...] | None, found: tuple[str, tuple[int, ...]] | None) -> str | None:
    """What is wrong with the header of an array of a file, if anything is."""
    if expected is None:
        return "is no part of it"
    if found is None:
        return "is missing"
    kind, shape = found
    return None if found == ("F32", expected) else f"is {kind} {shape}, not F32 {expected}"


def _sorted_metadata(content: bytes) -> bytes:
    """The same file with its metadata in order: the library's order differs from run to run.

    Without this, equal weights would look changed to DVC.
    """
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
    assert len(text) == size, "the header must keep its length"
    return content[:8] + text + content[8 + size :]
