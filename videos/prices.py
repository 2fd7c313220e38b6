"""What a video token costs: the one place that asks. Knows models, ways and money; quantities are modes.py's."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from accounts import money
from catalog.known import catalog
from videos.modes import STORYBOARD
from videos.offers import Way
from videos.specs import Spec


@dataclass(frozen=True, slots=True)
class VideoPrice:
    """`token_picousd` for each token counted; whose figure it is and of which day."""

    token_picousd: int
    source: str
    as_of: date

    def of(self, tokens: int) -> int:
        """In nanodollars."""
        return money.cost_nanousd([(tokens, self.token_picousd)])

    def as_json(self) -> dict[str, Any]:
        """As receipts keep prices."""
        return {
            "prompt_picousd": 0,
            "completion_picousd": self.token_picousd,
            "cached_picousd": None,
            "source": self.source,
            "as_of": self.as_of.isoformat(),
        }


FREE = VideoPrice(0, "Drawn on this machine", date(2026, 11, 25))


def price(way: Way, spec: Spec) -> VideoPrice:
    """The catalog's, unless it is drawn. Raises LookupError for a model that the catalog has no price of, which
    `modes.py` must not list."""
    if way.is_drawn or spec.model == STORYBOARD:
        return FREE
    known = catalog().get(spec.model)
    listed = known and known.video_price(resolution=spec.resolution, with_video=spec.with_video)
    if not listed:
        raise LookupError(spec.model)
    return VideoPrice(listed.token, f"catalog: {listed.source}", listed.as_of)
