"""A limit as a bar: what is spent, held and asked for as shares of its length, in percent. Knows no unit."""

from collections.abc import Iterator
from dataclasses import dataclass

NEARLY, ALMOST_ALL = 80, 99  # percent of a limit, from which on a bar warns, and is as good as full


@dataclass(frozen=True, slots=True)
class Part:
    """`kind` is spent, held, asked, or over: asked for beyond the limit."""

    kind: str
    start: str
    width: str


@dataclass(frozen=True, slots=True)
class Bar:
    """`asked` is what one request needs on top; 0 where the bar is about no request."""

    limit: int
    spent: int
    held: int = 0
    asked: int = 0

    @property
    def parts(self) -> list[Part]:
        return list(self._parts())

    def _parts(self) -> Iterator[Part]:
        start = 0
        last = "over" if self.asked > self.limit - self.spent - self.held else "asked"
        for kind, amount in (("spent", self.spent), ("held", self.held), (last, self.asked)):
            if amount > 0:
                # A sliver still shows, inside the bar; one that does not fit cannot be overlooked.
                width = max(amount / self._length * 100, 3 if kind == "over" else 0.6)
                yield Part(kind, f"{min(start / self._length * 100, 100 - width):.2f}%", f"{width:.2f}%")
            start += max(amount, 0)

    @property
    def end(self) -> str:
        """Where the limit stands, if the bar goes on beyond it far enough to see."""
        end = self.limit / self._length * 100
        return f"{end:.2f}%" if end < 97 else ""

    @property
    def _length(self) -> int:
        return max(self.limit, self.spent + self.held + self.asked, 1)

    @property
    def tone(self) -> str:
        """How worrying the spending is: bad at the limit, warn near it."""
        percent = (self.spent + self.held) * 100
        if percent >= self.limit * ALMOST_ALL:
            return "bad"
        return "warn" if percent >= self.limit * NEARLY else ""
