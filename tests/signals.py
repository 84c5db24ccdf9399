"""Processes that take signals as those of a terminal do, also where the tests run in the background."""

import signal


def heeded() -> None:
    """As `preexec_fn`: undo what nohup and a shell's & have their children ignore."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
