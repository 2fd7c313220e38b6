"""Finding a team's video tasks: one by its id, or a page of them by what a list may be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import QuerySet

from accounts.models import Team
from accounts.refusals import BadRequest, NotFound
from videos.models import VideoTask
from videos.modes import MODES, STATUSES

State = VideoTask.State

MOST_A_PAGE = 500
USUAL_A_PAGE = 20
DEEPEST_PAGE = 10_000
MOST_IDS = 500
_STATES = {"queued": (State.SUBMITTING, State.SUBMIT_UNKNOWN, State.QUEUED)}


@dataclass(frozen=True, slots=True)
class Page:
    tasks: list[VideoTask]
    total: int
    number: int
    size: int


def find(team: Team, public_id: str) -> VideoTask:
    """One that was not deleted. Raises NotFound, also for one of another team."""
    is_possible = len(public_id) <= 32 and public_id.isascii() and public_id.isprintable()
    tasks = VideoTask.objects.filter(team=team, public_id=public_id, deleted_at=None).select_related("provider__team")
    found = tasks.first() if is_possible else None
    if found is None:
        raise NotFound("There is no such video task in this team. It may have been deleted.", code="task_not_found")
    return found


def page(team: Team, asked: Mapping[str, list[str]]) -> Page:
    """The newest first. Takes Ark's names of the filters and plain ones. Raises BadRequest, naming what is wrong."""
    asked = {name.removeprefix("filter."): values for name, values in asked.items()}
    for name in asked:
        if name not in _FILTERS and name not in ("page_num", "page_size", "service_tier"):
            raise BadRequest(
                f"Tasks cannot be listed by {name[:64]!r}. There are {', '.join(_FILTERS)}, page_num and page_size.",
                code="unknown_parameter",
                param=name[:64],
            )
    tasks = VideoTask.objects.filter(team=team, deleted_at=None)
    for name, narrow in _FILTERS.items():
        if values := [value for value in asked.get(name, []) if value]:
            tasks = narrow(tasks, values)
    number = _whole(asked, "page_num", 1, DEEPEST_PAGE)
    size = _whole(asked, "page_size", USUAL_A_PAGE, MOST_A_PAGE)
    begin = (number - 1) * size
    return Page(list(tasks.order_by("-pk")[begin : begin + size]), tasks.count(), number, size)


type Tasks = QuerySet[VideoTask]


def _by_status(tasks: Tasks, values: list[str]) -> Tasks:
    states: list[str] = []
    for value in values:
        _known(value, STATUSES, "status")
        states += _STATES.get(value, (State(value),))
    return tasks.filter(state__in=states)


def _by_ids(tasks: Tasks, values: list[str]) -> Tasks:
    ids = [one for value in values for one in value.split(",")]
    if len(ids) > MOST_IDS:
        raise BadRequest(f"Ask for at most {MOST_IDS} ids at once.", code="invalid_parameter", param="task_ids")
    return tasks.filter(public_id__in=[one for one in ids if one.isascii() and one.isprintable()])


def _by_mode(tasks: Tasks, values: list[str]) -> Tasks:
    return tasks.filter(mode=_known(values[-1], tuple(MODES), "mode"))


def _by_model(tasks: Tasks, values: list[str]) -> Tasks:
    return tasks.filter(model_id=values[-1].replace("\0", ""))


def _by_review(tasks: Tasks, values: list[str]) -> Tasks:
    return tasks.filter(review_status=values[-1].replace("\0", ""))


def _since(tasks: Tasks, values: list[str]) -> Tasks:
    value = values[-1]
    if not (value.isascii() and value.isdigit() and len(value) <= 11):
        raise BadRequest("'created_after' is a Unix time in seconds.", code="invalid_parameter", param="created_after")
    return tasks.filter(created_at__gt=datetime.fromtimestamp(int(value), UTC))


_FILTERS = {
    "status": _by_status,
    "task_ids": _by_ids,
    "model": _by_model,
    "mode": _by_mode,
    "review_status": _by_review,
    "created_after": _since,
}


def _known(value: str, words: tuple[str, ...], param: str) -> str:
    if value not in words:
        raise BadRequest(f"{param!r} must be one of {', '.join(words)}.", code="invalid_parameter", param=param)
    return value


def _whole(asked: Mapping[str, list[str]], name: str, usual: int, most: int) -> int:
    value = asked.get(name, [str(usual)])[-1]
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and 1 <= int(value) <= most):
        raise BadRequest(f"{name!r} must be a whole number from 1 to {most:,}.", code="invalid_parameter", param=name)
    return int(value)
