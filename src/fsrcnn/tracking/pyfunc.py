"""The model as MLflow loads and serves it ("models from code"): this file and the weights, nothing pickled.

`logged_model.log_model` gives this file to MLflow, which copies it beside the weights and runs it when
the model is loaded.
"""

import base64
import io
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas
from mlflow import MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext
from PIL import Image

from fsrcnn.errors import InputError
from fsrcnn.network import weights
from fsrcnn.pictures.reading import decode
from fsrcnn.pictures.writing import check, encode
from fsrcnn.upscaling.image import Upscaler
from fsrcnn.upscaling.signatures import format_of

MAX_PIXELS = 512 * 512  # of an array
MAX_MEGAPIXELS = 25  # of a file
ENCODINGS = ("array", "png")

log = logging.getLogger(__name__)


class UpscaleModel(PythonModel):
    """Upscales images by the scale that the weights were trained for, on the CPU."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the artifact "weights", a safetensors file."""
        self.upscaler = Upscaler(weights.load(Path(context.artifacts["weights"])))
        # A server predicts in several threads. Not every backend can, and each uses all cores anyway.
        self.turn = threading.Lock()

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,  # or a data frame; MLflow warns of a union at every import
        params: dict[str, Any] | None = None,
    ) -> np.ndarray | str | list[bytes | None]:
        """Upscale one image, or a table's column of picture files.

        An image is (h, w, 3) RGB or (h, w, 1) grey, whole numbers from 0 to 255; the result is uint8, `scale`
        times as high and wide. With the parameter `encoding="png"` it is a PNG file in Base64: as JSON, the
        nested lists of an array take seconds.
        A data frame has one column, the bytes of PNG, JPEG, WebP or BMP files; the result is a list of files
        of the same formats (PNG for BMP). A file that can't be upscaled is None there, with a warning: the
        others count.
        Raises `MlflowException`, which a server answers with status 400, for any other input, for an image
        above `MAX_PIXELS`, and for another encoding.
        """
        encoding = (params or {}).get("encoding", "array")
        if encoding not in ENCODINGS:
            raise _bad_request(f"encoding {encoding!r}: choose {' or '.join(ENCODINGS)}")
        if isinstance(model_input, pandas.DataFrame):
            return [self._file(content) for content in _column(model_input)]
        image = _image(model_input)
        with self.turn:
            pixels = self.upscaler(image[..., 0] if image.shape[2] == 1 else image)
        if encoding == "png":
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "png", compress_level=1)
            return base64.b64encode(file.getvalue()).decode()
        return pixels.reshape(*pixels.shape[:2], image.shape[2])

    def _file(self, content: bytes) -> bytes | None:
        name = Path(f"picture.{format_of(content) or 'png'}")
        try:
            picture = decode(content, MAX_MEGAPIXELS)
            check(name, picture, self.upscaler.scale)
            with self.turn:
                pixels = self.upscaler(picture.pixels)
            return encode(name, picture._replace(pixels=pixels))
        except InputError as error:
            log.warning("not upscaled: %s", error)
            return None


def _column(table: pandas.DataFrame) -> Iterator[bytes]:
    contents = list(table.iloc[:, 0]) if len(table.columns) == 1 else []
    if not contents or not all(isinstance(content, bytes | bytearray) for content in contents):
        raise _bad_request("expected a table of one column, the bytes of picture files")
    return map(bytes, contents)


def _image(array: object) -> np.ndarray:
    """The array as uint8, which it is not when it was JSON."""
    if not isinstance(array, np.ndarray) or array.ndim != 3 or array.shape[2] not in (1, 3):
        shape = getattr(array, "shape", ())
        raise _bad_request(
            f"no image: {type(array).__name__} of shape {shape}; expected (h, w, 3) or (h, w, 1)"
        )
    height, width, _ = array.shape
    if not 0 < height * width <= MAX_PIXELS:
        raise _bad_request(f"image of {height}x{width} pixels; from 1 to {MAX_PIXELS} are served")
    if array.dtype.kind not in "uif" or not np.all((array >= 0) & (array <= 255) & (array % 1 == 0)):
        raise _bad_request(f"no image: {array.dtype}; expected whole numbers from 0 to 255")
    return array.astype(np.uint8)


def _bad_request(message: str) -> MlflowException:
    return MlflowException.invalid_parameter_value(message)


mlflow.models.set_model(UpscaleModel())
