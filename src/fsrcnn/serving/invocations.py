"""A model of MLflow as a server answers with it: its weights, and at `/invocations` MLflow's own protocol.

An alias such as `champion` is read again while the server runs. The code that a model carries is run only
where it is the code that runs here already: one process can't hold two releases of this package, and what it
answered would come from a mixture of both.
"""

import asyncio
import logging
from pathlib import Path

import mlflow
from fastapi import FastAPI, Request
from mlflow.pyfunc import scoring_server
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

import fsrcnn
from fsrcnn.errors import InputError
from fsrcnn.serving.networks import Networks
from fsrcnn.system import usable_cores
from fsrcnn.tracking.registered import downloaded, version_of, weights_in
from fsrcnn.upscaling.image import Upscaler

log = logging.getLogger(__name__)

PACKAGE = Path(fsrcnn.__file__).parent
CODE = (".py", ".c")


def load(uri: str) -> Networks:
    """The network of a model, and MLflow's protocol for it. Raises `InputError` when it can't be had."""
    version = version_of(uri)
    with downloaded(version) as folder:
        network = weights_in(folder, version)
        answer: ASGIApp = Invocations(folder) if carries_this_code(folder) else _refusal(version)
    return Networks(version, Upscaler(network), answer)


def read_again(networks: Networks, uri: str) -> Networks:
    """The networks of the version that an alias names now; the same where it is still that one.

    So too, with a warning, where the store is away or the new version can't be had.
    """
    try:
        if version_of(uri) == networks.name:
            return networks
        networks = load(uri)
    except InputError as error:
        log.warning("%s; %s goes on", error, networks.name)
    else:
        log.info("%s is %s now", uri, networks.name)
    return networks


def _refusal(version: str) -> ASGIApp:
    log.warning("%s was logged by another release of fsrcnn: /invocations refuses", version)
    return JSONResponse(
        {
            "detail": f"{version} was logged by another release of fsrcnn; run it by its own code: "
            f"mlflow models serve --env-manager local --model-uri {version}"
        },
        501,
    )


def carries_this_code(model: Path) -> bool:
    """Whether the copy of this package in the folder of a logged model is what runs here."""
    return _code(model / "code" / PACKAGE.name) == _code(PACKAGE)


def _code(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.suffix in CODE}


class Invocations:
    """MLflow's scoring server for a model, for JSON of a bounded length (ASGI).

    MLflow's server alone answers 500 to a request without a content type and to JSON nested too deep to
    parse; these are 415 and 400 here.
    """

    def __init__(self, model: Path) -> None:
        self._app: FastAPI = scoring_server.init(mlflow.pyfunc.load_model(str(model)))
        self._app.add_exception_handler(RecursionError, _nested_too_deep)
        # A request as lists takes a hundred times its length in memory.
        self._turn = asyncio.Semaphore(usable_cores())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "POST" and b"content-type" not in dict(scope["headers"]):
            await JSONResponse({"detail": "no Content-Type; send application/json"}, 415)(
                scope, receive, send
            )
            return
        async with self._turn:
            await self._app(scope, receive, send)


async def _nested_too_deep(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "JSON nested too deep"}, 400)
