"""Lines on stderr."""

import sys

from fsrcnn.errors import InputError
from fsrcnn.upscaling.remote import told


def report(error: InputError | str) -> None:
    """One line on stderr, even where a file's name holds line breaks or is no text."""
    say(f"fsrcnn: {printable(told(str(error)))}\n")


def say(lines: str) -> None:
    """Whole lines on stderr, above a progress bar."""
    from tqdm import tqdm  # a fifth of the time to start; most runs need none of it

    tqdm.write(lines, file=sys.stderr, end="")


def printable(text: str) -> str:
    """The text with all that would move the cursor escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
