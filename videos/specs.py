"""A clip as it was asked for, in the words of neither caller nor provider."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reference:
    """A file the clip is made from. `seconds` is how long it is, where that is known."""

    kind: str
    role: str
    url: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """A clip as asked for, checked and with every default filled in but those of the provider."""

    mode: str
    model: str
    prompt: str
    references: tuple[Reference, ...]
    resolution: str
    ratio: str
    duration: int
    settings: dict[str, Any]

    @property
    def with_video(self) -> bool:
        return any(reference.kind == "video" for reference in self.references)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Spec":
        references = tuple(Reference(**each) for each in kept["references"])
        return cls(**{**kept, "references": references})
