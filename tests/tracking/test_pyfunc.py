"""The logged model behind MLflow's own server and behind this project's: a real image."""

import base64
import io
import json

import numpy as np
import pytest
from model_server import request_body, served
from PIL import Image

from fsrcnn import upscale
from fsrcnn.download.samples import photographs

SCALE = 2


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory):
    command = ("mlflow", "models", "serve", "--env-manager", "local", "--model-uri", "MODEL")
    with served(tmp_path_factory.mktemp("served"), SCALE, *command) as server:
        yield server


@pytest.fixture(scope="module")
def image():
    ((_, photograph),) = photographs(("chelsea.png",), largest_side=120)
    return np.asarray(photograph)


@pytest.mark.parametrize("name", ["fsrcnn_server", "mlflow_server"])
def test_server_gives_what_the_library_gives(request, name, image):
    server = request.getfixturevalue(name)
    for pixels in (image, np.asarray(Image.fromarray(image).convert("L"))[..., None]):
        expected = upscale(pixels.squeeze(), SCALE).astype(int)
        status, answer = server.invoke(request_body(pixels.tolist()))
        assert status == 200, answer
        array = np.array(json.loads(answer)["predictions"])
        assert array.shape == (pixels.shape[0] * SCALE, pixels.shape[1] * SCALE, pixels.shape[2])
        assert abs(array.squeeze() - expected).max() <= 1
        status, answer = server.invoke(request_body(pixels.tolist(), encoding="png"))
        assert status == 200, answer
        png = base64.b64decode(json.loads(answer)["predictions"])
        assert abs(np.asarray(Image.open(io.BytesIO(png))).astype(int) - expected).max() <= 1
