"""A logged model over HTTP: MLflow's scoring server, with bounds on what a client may send.

MLflow's server alone reads a request of any size, and answers 500 to one without a content type and to
JSON nested too deep to parse. Behind `Bounds` these are 413, 415 and 400.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import mlflow
import uvicorn
from fastapi import FastAPI, Request, Response
from mlflow.pyfunc import scoring_server

from fsrcnn.tracking.pyfunc import MAX_PIXELS
from fsrcnn.tracking.registered import not_to_be_had

MAX_BYTES = 32 * MAX_PIXELS  # of a request; three values of a pixel as JSON take at most 21
MAX_CONNECTIONS = 64  # more are answered 503, so that waiting requests hold a bounded memory

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def serve(uri: str, host: str, port: int) -> None:
    """Serve the model that MLflow knows as `uri` until interrupted: `/invocations`, `/ping`, `/version`.

    The store is what MLFLOW_TRACKING_URI names, else MLflow's own default. The model's code is run.
    Raises `InputError` when the model can't be loaded.
    """
    try:
        model = mlflow.pyfunc.load_model(uri)
    except Exception as error:  # MLflow's own, those of the HTTP client, of the database, ...
        raise not_to_be_had(uri, mlflow.get_tracking_uri(), error) from None
    app: FastAPI = scoring_server.init(model)
    app.add_exception_handler(RecursionError, _nested_too_deep)
    app.add_middleware(Bounds)
    uvicorn.run(app, host=host, port=port, log_level="warning", limit_concurrency=MAX_CONNECTIONS + 1)


class Bounds:
    """Refuses a POST without a content type, and one larger than `MAX_BYTES` before it is read whole."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] == "http" and scope["method"] == "POST":
            headers = dict(scope["headers"])
            if b"content-type" not in headers:
                await _refusal(415, "no Content-Type; send application/json")(scope, receive, send)
                return
            # The announced length may be missing, so what arrives is counted too.
            size = int(headers.get(b"content-length", 0))
            parts: list[bytes] = []
            more, received = True, 0
            while more and max(size, received) <= MAX_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                parts.append(message.get("body", b""))
                received += len(parts[-1])
                more = message.get("more_body", False)
            if max(size, received) > MAX_BYTES:
                await _refusal(413, f"more than {MAX_BYTES} bytes")(scope, receive, send)
                return
            receive = _replay(b"".join(parts), receive)
        await self._app(scope, receive, send)


def _replay(body: bytes, receive: Receive) -> Receive:
    """What was read already, then what else the client does."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


async def _nested_too_deep(request: Request, error: Exception) -> Response:
    return _refusal(400, "JSON nested too deep")


def _refusal(status: int, message: str) -> Response:
    # The form that MLflow's own refusals have.
    content = json.dumps({"error_code": "BAD_REQUEST", "message": message})
    return Response(content, status, media_type="application/json")
