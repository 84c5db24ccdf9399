"""Stopping between two steps: Ctrl-C and SIGTERM never leave a half-made update behind."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Within `with Interrupts() as interrupts:` both signals raise `KeyboardInterrupt`.

    Within `with interrupts.held:` they wait until its end. Outside the main thread, where Python
    delivers no signals, nothing changes.
    """

    def __init__(self) -> None:
        self.held = _Held()

    def __enter__(self) -> Self:
        """Take over the signals."""
        self._before = (
            {number: signal.signal(number, self.held.on_signal) for number in SIGNALS}
            if threading.current_thread() is threading.main_thread()
            else {}
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


class _Held:
    def __init__(self) -> None:
        self._holding = self._waiting = False

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._holding:
            raise KeyboardInterrupt
        self._waiting = True

    def __enter__(self) -> None:
        self._holding = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holding = False
        if self._waiting and error is None:
            self._waiting = False
            raise KeyboardInterrupt
