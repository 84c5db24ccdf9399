"""What a request must pass before anything is done for it: token, bounds on bytes, a place in the queue."""

import hmac
from collections.abc import Callable, Mapping

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fsrcnn.serving.work import Work


class Guard:
    """Refuses before it reads, reads a body whole, and holds a place while it is answered (ASGI).

    Guards the paths in `max_bytes`, which says how long a body may be there. `max_held` bounds the bytes of
    bodies and of answers that clients have not taken, which `unsent` tells.
    """

    def __init__(
        self,
        app: ASGIApp,
        work: Work,
        max_bytes: Mapping[str, int],
        max_held: int,
        unsent: Callable[[], int],
        token: str | None,
    ) -> None:
        self._app, self._work = app, work
        self._max_bytes, self._max_held, self._unsent = max_bytes, max_held, unsent
        self._token = token.encode() if token else None
        self._received = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        limit = self._max_bytes.get(scope.get("path", ""))
        if limit is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = int(headers.get(b"content-length", 0))
        if refusal := self._refusal(headers.get(b"authorization", b""), length, limit):
            await refusal(scope, receive, send)
            return
        parts: list[bytes] = []
        received, more = 0, True
        try:
            # The announced length may be missing, so what arrives is counted too.
            while more and received <= limit and self._received <= self._max_held:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                parts.append(message.get("body", b""))
                received += len(parts[-1])
                self._received += len(parts[-1])
                more = message.get("more_body", False)
            if refusal := self._refusal(None, received, limit):
                await refusal(scope, receive, send)
                return
            with self._work.place():
                await self._app(scope, _replayed(parts, receive), send)
        finally:
            self._received -= received

    def _refusal(self, authorization: bytes | None, length: int, limit: int) -> JSONResponse | None:
        """The answer to a request that is not let in; without `authorization` it has been let in before."""
        if authorization is not None and not self._is_allowed(authorization):
            return _answer(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})
        if length > limit:
            return _answer(413, f"more than {limit} bytes")
        if self._work.full or self._received + self._unsent() > self._max_held:
            return _answer(503, "busy; try again later", {"Retry-After": str(self._work.retry_after)})
        return None

    def _is_allowed(self, authorization: bytes) -> bool:
        scheme, _, token = authorization.partition(b" ")
        right = scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token or b"")
        return right or self._token is None


def _answer(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)


def _replayed(parts: list[bytes], receive: Receive) -> Receive:
    """What was read already, then what else the client does."""

    async def replay() -> Message:
        if not parts:
            return await receive()
        body = b"".join(parts)
        parts.clear()  # so that it can go as soon as it is decoded
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
