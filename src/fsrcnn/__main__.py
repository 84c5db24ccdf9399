"""`python -m fsrcnn` is the command `fsrcnn`."""

import sys

from fsrcnn.cli import main

sys.exit(main())
