"""The one exception that a stage shows a person, and the line that others are told in."""


class InputError(Exception):
    """Something outside the program is wrong: a parameter, a file, a link, a device.

    The message is a single line that says what is wrong, where, and what to do about it. A stage
    prints it and exits with status 1; anything else that is raised is a bug and keeps its traceback.
    """


def one_line(said: object) -> str:
    """What another program or library says, which may take pages, in a line of at most 200 characters."""
    return " ".join(str(said).split())[:200]
