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
    """Send everything in `records/`; say which trainings wait for being run again."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        unsent, resumable = runs.connect(Path(__file__).resolve().parents[1])
    except InputError as error:
        sys.exit(f"error: {error}")
    for run_id in resumable:
        print(f"run {run_id}: its training was interrupted; it goes on when its stage is run again")
    if unsent:
        sys.exit(f"error: {unsent} of records/ could not be sent")
    print("nothing is left to send")


if __name__ == "__main__":
    main()
