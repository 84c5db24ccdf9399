"""The model as MLflow loads and serves it ("models from code"): this file and the weights, nothing pickled.

`logged_model.log_model` gives this file to MLflow, which copies it beside the weights and runs it when
the model is loaded.
"""

import base64
import io
import threading
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext
from PIL import Image

from fsrcnn.network import weights
from fsrcnn.upscaling.image import Upscaler

MAX_PIXELS = 512 * 512  # of the input
ENCODINGS = ("array", "png")


class UpscaleModel(PythonModel):
    """Upscales one image by the scale that the weights were trained for, on the CPU."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the artifact "weights", a safetensors file."""
        self.upscaler = Upscaler(weights.load(Path(context.artifacts["weights"])))
        # A server predicts in several threads. Not every backend can, and each uses all cores anyway.
        self.turn = threading.Lock()

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray | str:
        """(h, w, 3) RGB or (h, w, 1) grey, uint8 -> the same, `scale` times as high and wide.

        With the parameter `encoding="png"` the result is a PNG file in Base64: as JSON, the nested lists
        of an array take seconds. Raises `MlflowException`, which a server answers with status 400, for
        an image of another shape or above `MAX_PIXELS`, and for another encoding.
        """
        encoding = (params or {}).get("encoding", "array")
        if encoding not in ENCODINGS:
            raise _bad_request(f"encoding {encoding!r}: choose {' or '.join(ENCODINGS)}")
        # MLflow checks that shapes of arrays have three parts, but lets ragged ones pass.
        if model_input.dtype != np.uint8 or model_input.ndim != 3 or model_input.shape[2] not in (1, 3):
            raise _bad_request(
                f"no image: {model_input.dtype} of shape {model_input.shape}; "
                "expected uint8 of shape (h, w, 3) or (h, w, 1)"
            )
        height, width, channels = model_input.shape
        if not 0 < height * width <= MAX_PIXELS:
            raise _bad_request(f"image of {height}x{width} pixels; from 1 to {MAX_PIXELS} are served")
        with self.turn:
            pixels = self.upscaler(model_input[..., 0] if channels == 1 else model_input)
        if encoding == "png":
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "png", compress_level=1)
            return base64.b64encode(file.getvalue()).decode()
        return pixels.reshape(*pixels.shape[:2], channels)


def _bad_request(message: str) -> MlflowException:
    return MlflowException.invalid_parameter_value(message)


mlflow.models.set_model(UpscaleModel())
