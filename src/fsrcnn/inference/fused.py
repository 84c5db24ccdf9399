"""The weights as the kernels of `fused.cu` read them, and the order in which the kernels run.

Knows nothing of a driver: `cuda` brings the launches to a graphics processor, a test to this one.
"""

import itertools
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from fsrcnn.errors import InputError
from fsrcnn.inference import halves
from fsrcnn.network.weights import Array, Weights

WIDEST_D, WIDEST_S = 56, halves.WIDEST  # by the shared memory of a block, and the width of a product
WIDTH, WARPS, SPAN, UPSCALERS = 64, 4, 64, 4  # as in fused.cu
FEW, MANY = 4, 8  # rows of a block
KERNELS = (*(f"{kind}<{rows}>" for kind in ("features", "mapping") for rows in (FEW, MANY)), "upscale")
MOST_ROWS = 32  # of a warp
PIXEL = 32  # bytes of a pixel between two kernels
ALIGNMENT = 256  # bytes


class Launch(NamedTuple):
    """A kernel, its blocks, the threads of each, and its arguments: addresses as int, scalars as NumPy's."""

    kernel: str
    grid: tuple[int, int, int]
    threads: int
    shared: int  # bytes of a block's shared memory
    arguments: tuple[Any, ...]


class Fused:
    """A network laid out: `content` goes to the device in one piece, as it is."""

    def __init__(self, weights: Weights) -> None:
        """Raises `InputError` for a network that the kernels are not made for."""
        d, s, scale = weights.d, weights.s, weights.scale
        if d % 8 or not 16 <= d <= WIDEST_D or s > WIDEST_S:
            raise InputError(
                f"backend cuda: no kernels for d {d}, s {s}; it takes d of 16, 24, ... {WIDEST_D} and s "
                f"up to {WIDEST_S}"
            )
        self.scale, self.m = scale, weights.m
        self.defines = (f"D={d}", f"S={s}", f"SCALE={scale}")
        self.taps = weights.subpixel()[0].shape[-1]
        arrays = _arrays(weights)
        self.bias = np.float32(weights.deconvolution()[1][0])
        stride = d if d // 8 % 2 else d + 8
        tables = sum(arrays[name].nbytes for name in ("bank", "bank_rest", "expand_rules"))
        self.shared = tables + UPSCALERS * 72 * stride * 2
        starts, end = {}, 0
        for name, array in arrays.items():
            starts[name] = end
            end += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        self.content = np.zeros(end, np.uint8)
        for name, array in arrays.items():
            self.content[starts[name] : starts[name] + array.nbytes] = array.reshape(-1).view(np.uint8)
        self._starts: Mapping[str, int] = starts

    @staticmethod
    def source() -> str:
        """CUDA C++ of the kernels; needs `defines`."""
        folder = files("fsrcnn.inference")
        return "\n".join((folder / name).read_text() for name in ("warp.cuh", "fused.cu"))

    @staticmethod
    def workspace(n: int, height: int, width: int) -> int:
        """Bytes that the launches need for what lies between the kernels."""
        return 2 * n * height * width * PIXEL

    def launches(
        self, content: int, luma: int, shape: tuple[int, int, int], work: int, out: int, blocks: int
    ) -> Iterator[Launch]:
        """What maps luma (n, height, width) to (n, height*scale, width*scale), float32, not clamped.

        `content`, `luma`, `work` and `out` are addresses; `blocks` of `upscale` run at a time.
        """
        n, height, width = shape
        size = np.int32(height), np.int32(width)
        here, there = work, work + n * height * width * PIXEL
        at = {name: content + start for name, start in self._starts.items()}
        columns, threads = -(-width // WIDTH), 32 * WARPS
        rows = FEW if columns * -(-height // MANY) * n < blocks else MANY
        grid = columns, -(-height // rows), n
        first = [at[name] for name in ("first", "first_rules", "shrink", "shrink_rest", "shrink_rules")]
        yield Launch(f"features<{rows}>", grid, threads, 0, (luma, *size, *first, here))
        for layer in range(self.m):
            bank, rules = at[f"mapping{layer}"], at[f"mapping{layer}_rules"]
            yield Launch(f"mapping<{rows}>", grid, threads, 0, (here, *size, bank, rules, there))
            here, there = there, here
        across = -(-width // (SPAN - self.taps + 1))
        rows = rows_of_a_warp(height, across * n, blocks)
        last = [at[name] for name in ("expand", "expand_rules", "bank", "bank_rest")]
        arguments = (here, *size, np.int32(rows), *last, self.bias, out)
        grid = (across, -(-height // (UPSCALERS * rows)), n)
        yield Launch("upscale", grid, 32 * UPSCALERS, self.shared, arguments)


def rows_of_a_warp(height: int, columns: int, blocks: int) -> int:
    """How far a warp of `upscale` goes down, so that whole waves of `blocks` blocks are busy.

    The more, the fewer rows are read twice.
    """
    for waves in itertools.count(1):
        rows = -(-height // (UPSCALERS * max(1, waves * blocks // columns)))
        if rows <= MOST_ROWS:
            return rows
    raise AssertionError


def _arrays(weights: Weights) -> dict[str, np.ndarray]:
    """Every array that the kernels read, by name."""
    first, shrink, *mapping, expand = halves.layers(weights)
    kernels = first[0][:, 0]
    taps = np.pad(kernels, ((0, 0), (0, 0), (0, 1))).reshape(len(kernels), -1).T
    taps = np.pad(taps, ((0, 2), (0, 0)))  # 15 pairs of taps and one that weighs nothing
    high = taps.astype(np.float16).astype(np.float32)
    narrow, rest = _fragments(shrink[0][:, :, 0, 0].T)
    arrays = {
        "first": np.stack([_fragments(part)[0] for part in (high, taps - high)]),
        "first_rules": _rules(first[1], first[2]),
        "shrink": narrow,
        "shrink_rest": rest,
        "shrink_rules": _rules(shrink[1], shrink[2]),
        "expand": _fragments(expand[0][:, :, 0, 0].T)[0],
        "expand_rules": _rules(expand[1], expand[2]),
    }
    for layer, (weight, bias, slope) in enumerate(mapping):
        by_tap = weight.transpose(2, 3, 1, 0).reshape(9, WIDEST_S, WIDEST_S)
        arrays[f"mapping{layer}"] = np.stack([_fragments(tap)[0] for tap in by_tap])
        arrays[f"mapping{layer}_rules"] = _rules(bias, slope)
    arrays["bank"], arrays["bank_rest"] = _deconvolution(weights)
    return arrays


def _deconvolution(weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """The sub-pixel form by shift (and depth), tap row and tile of outputs, and the rest of the depth."""
    s = weights.scale
    bank = halves.as_halves(weights.subpixel()[0])
    taps = bank.shape[-1]
    side = 2 if s == 2 else 1
    # (row of the output, pixel of the product's row, column of the output, channel, tap row, shift)
    spread = np.zeros((s, side, s, weights.d, taps, taps + side - 1), np.float32)
    for pixel in range(side):
        spread[:, pixel, :, :, :, pixel : pixel + taps] = bank.reshape(s, s, weights.d, taps, taps)
    outputs = s * side * s
    matrices = spread.reshape(outputs, weights.d, taps, -1).transpose(3, 2, 1, 0)
    tiles = -(-outputs // 8) * 8
    banks, rests = [], []
    for by_row in matrices:
        parts = [_fragments(np.pad(matrix, ((0, 0), (0, tiles - outputs)))) for matrix in by_row]
        banks.append(np.stack([full for full, _ in parts], axis=1))
        rests.append(np.stack([rest for _, rest in parts]))
    return np.stack(banks), np.stack(rests)


def _fragments(matrix: Array) -> tuple[np.ndarray, np.ndarray]:
    """A product's second factor (depth, columns) as its lanes hold it, float16 (warp.cuh, `multiply`).

    (depth / 16, columns / 8, 32, 4), and of a depth of eight that is left over (columns / 8, 32, 2).
    """
    depth, columns = matrix.shape
    lane = np.arange(32)
    rows, column = 2 * (lane % 4), lane // 4
    tiles = matrix.astype(np.float16).reshape(depth // 8, 8, columns // 8, 8).transpose(0, 2, 1, 3)
    halves = np.stack([tiles[:, :, rows, column], tiles[:, :, rows + 1, column]], axis=-1)
    whole = halves[: depth // 16 * 2].reshape(depth // 16, 2, columns // 8, 32, 2)
    full = np.ascontiguousarray(whole.transpose(0, 2, 3, 1, 4)).reshape(depth // 16, columns // 8, 32, 4)
    return full, halves[depth // 16 * 2 :]


def _rules(bias: Array, slope: Array) -> Array:
    """Biases and slopes of a lane's two channels, (channels / 2, 4)."""
    return np.concatenate([array.reshape(-1, 2) for array in (bias, slope)], axis=1)
