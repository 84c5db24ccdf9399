"""`python -m fsrcnn` is the command `fsrcnn`."""

import sys

from fsrcnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
