"""Who would miss a provider: models that it alone serves, budgets on them, and who used it lately. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q, Sum
from django.utils import timezone

from accounts.models import AccessKey, Budget, Team, UsageDay, User
from catalog.models import Offer

LATELY = timedelta(days=30)


@dataclass(slots=True)
class Dependents:
    """Names, each once and in order. Use is of the last 30 days but for `spent_nanousd` and `requests`, which are of
    this month by the team's clock."""

    only_here: list[str] = field(default_factory=list)
    budgeted: list[str] = field(default_factory=list)  # of those models, the ones with a budget
    members: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    spent_nanousd: int = 0
    requests: int = 0

    @property
    def in_brief(self) -> str:
        """Such as 6 people, 7 keys."""
        counted = [_few(self.members, "people"), _few(self.keys, "keys")]
        return ", ".join(filter(None, counted)) or "nobody"


def of(team: Team) -> dict[int, Dependents]:
    """By the providers' primary keys; one that nobody would miss may be absent. Six queries."""
    ids = dict(team.providers.values_list("name", "pk"))
    found = {pk: Dependents() for pk in ids.values()}
    for model_id, pk in _served_by_one(team):
        found[pk].only_here.append(model_id)
    budgeted = set(
        Budget.objects.filter(wallet__team=team, scope=Budget.Scope.MODEL).values_list("model_id", flat=True)
    )
    for each in found.values():
        each.budgeted = [model_id for model_id in each.only_here if model_id in budgeted]
    _add_use(team, ids, found)
    return found


def _served_by_one(team: Team) -> list[tuple[str, int]]:
    by_model: dict[str, list[int]] = {}
    offers = Offer.objects.callable_now().filter(model__team=team).order_by("model__model_id")
    for model_id, pk in offers.values_list("model__model_id", "provider_id"):
        by_model.setdefault(model_id, []).append(pk)
    return [(model_id, pks[0]) for model_id, pks in by_model.items() if len(pks) == 1]


def _add_use(team: Team, ids: dict[str, int], found: dict[int, Dependents]) -> None:
    today = timezone.now().astimezone(ZoneInfo(team.time_zone)).date()
    month, since = today.replace(day=1), today - LATELY
    rows = (
        UsageDay.objects.filter(team=team, day__gte=min(month, since), provider_name__in=ids)
        .values_list("provider_name", "user_id", "access_key_id")
        .annotate(
            lately=Sum("requests", filter=Q(day__gt=since), default=0),
            requests=Sum("requests", filter=Q(day__gte=month), default=0),
            spent=Sum("spent_nanousd", filter=Q(day__gte=month), default=0),
        )
    )
    used = list(rows)
    people = dict(User.objects.filter(pk__in={user for _, user, *_ in used}).values_list("pk", "name"))
    keys = dict(AccessKey.objects.filter(pk__in={key for _, _, key, *_ in used if key}).values_list("pk", "name"))
    for name, user, key, lately, requests, spent in used:
        each = found[ids[name]]
        each.requests += requests
        each.spent_nanousd += spent
        if lately:
            each.members.append(people[user])
            if key:
                each.keys.append(keys[key])
    for each in found.values():
        each.members, each.keys = sorted(set(each.members)), sorted(set(each.keys))


def _few(names: Sequence[str], word: str) -> str:
    if len(names) > 1:
        return f"{len(names)} {word}"
    return names[0] if names else ""
