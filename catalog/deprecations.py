"""What a caller of a deprecated model is told: since when it is, and what to call in its place."""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from urllib.parse import quote

from catalog.known import catalog
from catalog.models import Model


@dataclass(frozen=True, slots=True)
class Deprecation:
    """`replaced_by` is a model's id, empty where there is none."""

    since: datetime
    replaced_by: str

    def headers(self) -> dict[str, str]:
        """As RFC 9745 has them; a header takes no letters beyond ASCII."""
        found = {"Deprecation": f"@{int(self.since.timestamp())}"}
        if self.replaced_by:
            found["x-emma18-replaced-by"] = quote(self.replaced_by, safe=" !#$&'()*+,/:;=?@[]~")
        return found


def of(model: Model) -> Deprecation | None:
    """As the team's admins say, or else as the catalog knows it since the day of its facts. None for a current one."""
    if model.deprecated_at:
        return Deprecation(model.deprecated_at, model.replaced_by)
    known = catalog().get(model.model_id)
    if known and known.is_deprecated:
        return Deprecation(datetime.combine(catalog().as_of, time(), UTC), known.replaced_by)
    return None
