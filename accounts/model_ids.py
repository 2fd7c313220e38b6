"""Which models a team can call now, as text ids, and which one is meant by a name. The catalog knows; it stands above
this app and is asked through here.

The composition root says whom to ask, once at start.
"""

from collections.abc import Callable

from accounts.models import Team

type Source = Callable[[Team], list[str]]
type Naming = Callable[[Team, str], str | None]

_sources: list[Source] = []
_namings: list[Naming] = []


def come_from(source: Source, naming: Naming) -> None:
    _sources[:] = [source]
    _namings[:] = [naming]


def of(team: Team) -> list[str]:
    """The one to show in a sample first."""
    return [model_id for source in _sources for model_id in source(team)]


def meant_by(team: Team, name: str) -> str | None:
    """The id under which money is held for who calls a model by this name, be it callable now or not; None where
    there is no such model."""
    return next((naming(team, name) for naming in _namings), None)
