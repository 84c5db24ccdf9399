"""Lines on stderr."""

import sys

from tqdm import tqdm

from fsrcnn.errors import InputError


def report(error: InputError | str) -> None:
    """One line on stderr, even where a file's name holds line breaks or is no text."""
    tqdm.write(f"fsrcnn: {printable(str(error))}", file=sys.stderr)


def printable(text: str) -> str:
    """The text with all that would move the cursor escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
