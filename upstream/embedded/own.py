"""Models of one's own: each .gguf file in a folder of the installation is one. Knows files; loads nothing."""

import re
from dataclasses import dataclass
from pathlib import Path

PREFIX = "embedded/"
MAGIC, VERSIONS = b"GGUF", (2, 3)
LONGEST_NAME = 150
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_LATER_PART = re.compile(r"-(?!00001-)\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)  # its first part loads it


@dataclass(frozen=True, slots=True)
class Found:
    """The files by the model's id, and a sentence for each that cannot be one."""

    files: dict[str, Path]
    problems: list[str]


def found(folder: Path) -> Found:
    """In the order of their names. A folder that is not there has none."""
    files: dict[str, Path] = {}
    problems = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.name.startswith(".") or _LATER_PART.search(file.name):
            continue
        if problem := _problem(file):
            problems.append(f"{file} is no model: {problem}")
        else:
            files[PREFIX + file.name] = file
    return Found(files, problems)


def _problem(file: Path) -> str:
    if file.suffix.lower() != ".gguf":
        return "only files that end in .gguf can be loaded."
    if not _NAME.fullmatch(file.name) or len(file.name) > LONGEST_NAME:
        return f"its name may have up to {LONGEST_NAME} letters, digits and . _ + - and no space. Rename it."
    try:
        with file.open("rb") as opened:
            head = opened.read(8)
    except OSError as error:
        return f"it cannot be read ({error.strerror})."
    if head[:4] != MAGIC:
        return "it does not begin as a GGUF file does. Convert it, or download it once more."
    if int.from_bytes(head[4:], "little") not in VERSIONS:
        return f"it is of a version of GGUF other than {' and '.join(map(str, VERSIONS))}. Convert it anew."
    return ""


def runtime_file(built_in: Path, model_id: str) -> Path:
    """Where the process of a model says where it listens, given that of the built-in one."""
    return built_in.parent / "models-running" / f"{Path(model_id).name}.json"
