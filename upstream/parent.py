"""Who started this process, for programs that end with the one that started them."""

import os

VARIABLE = "STARTED_BY"


def process_id() -> int:
    """As the supervisor told it, which may be gone before this program has loaded; else the parent of this moment.
    What this process starts is not told."""
    return int(os.environ.pop(VARIABLE, os.getppid()))
