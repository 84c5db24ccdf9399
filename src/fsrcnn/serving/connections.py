"""Clients that are silent or slow: each has a minute, and the longest silent one makes room for a new one."""

import asyncio
import resource
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 60  # seconds to send a request, and to take its answer and send the next
MOST = min(512, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)  # connections at a time


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1, which by itself waits for ever for the rest of a request and for a reader.

    A connection waits for its client from the start to the end of a request, and again from the answer on.
    """

    waiting: ClassVar[dict["Connection", asyncio.TimerHandle]] = {}  # the longest waiting first

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request; where there are too many, cut the one that has waited longest."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait()
        if len(self.connections) > MOST:
            next(iter(self.waiting)).transport.abort()

    def handle_events(self) -> None:
        """Wait no longer once a request is whole."""
        super().handle_events()
        if self.cycle and not self.cycle.response_complete and not self.cycle.more_body:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Wait for the client to take the answer, and for its next request."""
        self._wait()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        # Not closed, which would send what is left first.
        self.waiting[self] = self.loop.call_later(PATIENCE, self.transport.abort)

    def _stop_waiting(self) -> None:
        timer = self.waiting.pop(self, None)
        if timer:
            timer.cancel()


def unsent() -> int:
    """The bytes of answers that clients have not taken yet."""
    return sum(connection.transport.get_write_buffer_size() for connection in Connection.waiting)
