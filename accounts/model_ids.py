"""Which models a team can call now, as text ids. The catalog knows; it stands above this app and is asked through here.

The composition root says whom to ask, once at start.
"""

from collections.abc import Callable

from accounts.models import Team

type Source = Callable[[Team], list[str]]

_sources: list[Source] = []


def come_from(source: Source) -> None:
    _sources[:] = [source]


def of(team: Team) -> list[str]:
    """The one to show in a sample first."""
    return [model_id for source in _sources for model_id in source(team)]
