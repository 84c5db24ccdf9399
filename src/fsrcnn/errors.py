"""The one exception that a stage shows a person."""


class InputError(Exception):
    """Something outside the program is wrong: a parameter, a file, a link, a device.

    The message is a single line that says what is wrong, where, and what to do about it. A stage
    prints it and exits with status 1; anything else that is raised is a bug and keeps its traceback.
    """
