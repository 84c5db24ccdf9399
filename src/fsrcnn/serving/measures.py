"""What Prometheus is told at `/metrics`; the client library adds the process's own memory and time."""

import time

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = ("/upscale", "/invocations")  # the others are counted together: a client can make up any number
REQUESTS = Counter(
    "fsrcnn_requests", "Requests, by path and status; 499: the client went away", ["path", "status"]
)
SECONDS = Histogram(
    "fsrcnn_request_seconds",
    "From the end of a request's head to its answer, the time in which a client sends the body included",
    ["path"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PIXELS = Counter("fsrcnn_pixels", "Pixels of upscaled pictures")
HELD = Gauge("fsrcnn_requests_held", "Requests that are worked on or wait for it")
GONE = 499  # nginx's number


class Measured:
    """Counts and times what an application answers (ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = GONE
        start = time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        path = scope["path"] if scope["path"] in PATHS else "other"
        try:
            await self._app(scope, receive, noted)
        except Exception:
            status = 500
            raise
        finally:
            REQUESTS.labels(path, status).inc()
            SECONDS.labels(path).observe(time.perf_counter() - start)
