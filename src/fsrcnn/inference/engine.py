"""The compiled `native.c`, `picture.c` and `plane.c` as functions of arrays."""

import ctypes

import numpy as np

from fsrcnn.network.weights import Array, Weights


class _Picture(ctypes.Structure):
    """As picture.c has it."""

    _fields_ = (
        ("given", ctypes.c_void_p),
        ("made", ctypes.c_void_p),
        ("given_stride", ctypes.c_long),
        ("made_stride", ctypes.c_long),
        ("height", ctypes.c_long),
        ("width", ctypes.c_long),
        ("channels", ctypes.c_long),
        ("bytes", ctypes.c_long),
        ("peak", ctypes.c_float),
        ("black", ctypes.c_float),
        ("share", ctypes.c_float * 3),
    )


class _Axis(ctypes.Structure):
    _fields_ = (
        ("given", ctypes.c_long),
        ("made", ctypes.c_long),
        ("start", ctypes.c_double),
        ("stop", ctypes.c_double),
    )


class _Plane(ctypes.Structure):
    """As plane.c has it."""

    _fields_ = (
        ("given", ctypes.c_void_p),
        ("made", ctypes.c_void_p),
        ("given_stride", ctypes.c_long),
        ("made_stride", ctypes.c_long),
        ("bytes", ctypes.c_long),
        ("peak", ctypes.c_long),
        ("across", _Axis),
        ("down", _Axis),
    )


class Engine:
    """A network in a library that was compiled for its shape; it may be called from several threads at once.

    Its own threads, `threads` with the caller's, live as long as a call and wait asleep. All functions raise
    `MemoryError` when there is none for the line buffers, half a megabyte a thread.
    """

    def __init__(self, library: ctypes.CDLL, network: Weights, threads: int) -> None:
        library.upscale.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_long] * 4
        library.upscale_pixels.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Picture), ctypes.c_long]
        library.upscale_plane.argtypes = [ctypes.POINTER(_Plane)]
        self.library = library
        self.weights = packed(network, library.max_group())
        self.scale = network.scale
        self.threads = threads

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Contiguous float32 (N, 1, h, w) -> (N, 1, h*scale, w*scale)."""
        count, _, height, width = y.shape
        out = np.empty((count, 1, height * self.scale, width * self.scale), np.float32)
        sides = (count, height, width, self.threads)
        if self.library.upscale(self.weights.ctypes.data, y.ctypes.data, out.ctypes.data, *sides):
            raise MemoryError("no memory for the network's line buffers")
        return out

    def pixels(
        self, given: np.ndarray, made: np.ndarray, peak: float, black: float, share: tuple[float, ...]
    ) -> None:
        """Upscale `given` (h, w, c) into `made` (h*scale, w*scale, c).

        Both are uint8, uint16 or float32, of 0..peak. c is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB,
        alpha). Rows may lie apart; their pixels may not.
        The network's input is `black` and the `share` of R, G and B in 0..1; grey is R = G = B. Chroma and
        alpha are enlarged by the cubic (a = -1/2).
        """
        height, width, channels = given.shape
        assert made.shape == (height * self.scale, width * self.scale, channels), "made has the wrong shape"
        assert made.dtype == given.dtype, "made has another type"
        assert given[0].flags.c_contiguous, "pixels lie apart"
        assert made[0].flags.c_contiguous, "pixels lie apart"
        picture = _Picture(
            given.ctypes.data,
            made.ctypes.data,
            given.strides[0] // given.itemsize,
            made.strides[0] // made.itemsize,
            *given.shape,
            given.itemsize,
            peak,
            black,
            share,
        )
        if self.library.upscale_pixels(self.weights.ctypes.data, picture, self.threads):
            raise MemoryError("no memory for the network's line buffers")

    def plane(self, given: np.ndarray, made: np.ndarray, box: tuple[float, ...], peak: int) -> None:
        """Enlarge a plane by the cubic (a = -1/2) and without the network, (h, w) -> (H, W), in this thread.

        Both are uint8, or uint16 of 0..peak, and `made` has no fewer samples for what it covers of `given`:
        the `box`, which is left, top, right and bottom in samples. It may reach one beyond an edge, where all
        is as at the edge. Rows may lie apart; their samples may not.
        """
        assert made.dtype == given.dtype, "made has another type"
        assert given[0].flags.c_contiguous, "samples lie apart"
        assert made[0].flags.c_contiguous, "samples lie apart"
        (height, width), (rows, columns), (left, top, right, bottom) = given.shape, made.shape, box
        plane = _Plane(
            given.ctypes.data,
            made.ctypes.data,
            given.strides[0] // given.itemsize,
            made.strides[0] // made.itemsize,
            given.itemsize,
            peak,
            _Axis(width, columns, left, right),
            _Axis(height, rows, top, bottom),
        )
        if self.library.upscale_plane(plane):
            raise MemoryError("no memory for the rows of a plane")


def packed(network: Weights, max_group: int) -> Array:
    """All parameters in the order in which native.c reads them.

    A convolution's output channels go in equal groups of at most `max_group`, padded with zeros;
    each group is its biases, its slopes and, for every input channel and tap, its weights.
    """
    blocks = []
    for weight, bias, slope in network.convolutions():
        rows = np.concatenate([bias[:, None], slope[:, None], weight.reshape(len(weight), -1)], axis=1)
        groups = -(-len(rows) // max_group)
        group = -(-len(rows) // groups)
        padded = np.pad(rows, [(0, groups * group - len(rows)), (0, 0)])
        blocks.append(padded.reshape(groups, group, -1).transpose(0, 2, 1).ravel())
    weight, bias = network.deconvolution()
    return np.concatenate([*blocks, bias, weight.ravel()], dtype=np.float32)
