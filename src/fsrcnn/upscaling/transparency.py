"""Colour under full transparency: whatever a program left there must not bleed into what is seen.

It often is a key such as magenta. The network and the bicubic chroma look some pixels around them, so the
colours at the edge of what is seen are continued that far. Nothing further away can be seen in the result.
"""

from itertools import product

import numpy as np


def continued(pixels: np.ndarray, reach: int) -> np.ndarray:
    """(h, w, c), the last channel alpha -> the same with the colours where alpha is 0 made anew.

    Ring after ring, up to `reach` pixels from the next visible one, a pixel takes the mean of those
    neighbours that have a colour. Without any pixel of alpha 0 the array comes back as it is.
    """
    seen = np.pad(pixels[..., -1] > 0, 1)
    if seen[1:-1, 1:-1].all() or not seen.any():
        return pixels
    result = np.pad(pixels, ((1, 1), (1, 1), (0, 0)))  # so that every pixel has eight neighbours
    flat, known = result.reshape(-1, pixels.shape[2]), seen.reshape(-1)
    width = seen.shape[1]
    around = np.array(
        [down * width + right for down, right in product((-1, 0, 1), repeat=2) if down or right]
    )
    inside = np.zeros_like(seen)
    inside[1:-1, 1:-1] = True
    unknown = inside.reshape(-1) & ~known
    ring = np.flatnonzero(unknown & _touched(seen))
    for _ in range(reach):
        neighbours = ring[:, None] + around
        weights = known[neighbours].astype(np.float32)[..., None]
        means = (flat[neighbours, :-1] * weights).sum(1) / weights.sum(1)
        flat[ring, :-1] = means if pixels.dtype.kind == "f" else means.round()
        known[ring], unknown[ring] = True, False
        candidates = np.unique(neighbours)
        ring = candidates[unknown[candidates]]
    return np.ascontiguousarray(result[1:-1, 1:-1])


def _touched(seen: np.ndarray) -> np.ndarray:
    """Whether a pixel or one of its eight neighbours is seen, as one flat array."""
    across = seen.copy()
    across[:, 1:] |= seen[:, :-1]
    across[:, :-1] |= seen[:, 1:]
    touched = across.copy()
    touched[1:] |= across[:-1]
    touched[:-1] |= across[1:]
    return touched.reshape(-1)
