"""What the files in a task's folder are called."""

from pathlib import Path

ORDER, STATE = "order.json", "state.json"
VIDEO, LAST_FRAME, UNFINISHED = "video.mp4", "last.png", "unfinished.mp4"


def reference(folder: Path, number: int) -> Path:
    return folder / f"reference-{number}"
