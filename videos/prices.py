"""What a video token costs: the one place that asks. Knows models and whole pico-dollars; quantities are modes.py's."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from catalog.known import catalog
from videos.modes import STORYBOARD


@dataclass(frozen=True, slots=True)
class VideoPrice:
    """`token_picousd` for each token counted; whose figure it is and of which day."""

    token_picousd: int
    source: str
    as_of: date

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


def price(model_id: str, *, resolution: str, with_video: bool) -> VideoPrice:
    """The catalog's. Raises LookupError for a model that it has no price of, which `modes.py` must not list."""
    if model_id == STORYBOARD:
        return FREE
    known = catalog().get(model_id)
    listed = known and known.video_price(resolution=resolution, with_video=with_video)
    if not listed:
        raise LookupError(model_id)
    return VideoPrice(listed.token, f"catalog: {listed.source}", listed.as_of)
