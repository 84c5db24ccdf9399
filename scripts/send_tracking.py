"""Send to MLflow what its server could not take while it was down: metrics, models and figures.

    python scripts/send_tracking.py

Every stage does the same at its start. MLFLOW_TRACKING_URI chooses the store, as for the stages.
"""

import logging
import sys
from pathlib import Path

from fsrcnn.errors import InputError
from fsrcnn.tracking import runs


def main() -> None:
    """Send everything in `outbox/`; say which trainings wait for being run again."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        left = runs.connect(Path(__file__).resolve().parents[1])
    except InputError as error:
        sys.exit(f"error: {error}")
    for run_id in left.resumable:
        print(f"run {run_id}: its training was interrupted; it goes on when its stage is run again")
    if left.unsent:
        sys.exit(f"error: {left.unsent} entries in outbox/ could not be sent")
    print("nothing is left to send")


if __name__ == "__main__":
    main()
