"""How a task goes on and ends: what a provider answered to its being sent, what it says of it since, what people do.

Moments are the process's own; leases are long against the difference of two clocks.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts import audit, ledger, money, queue
from accounts.models import Attempt, Hold, Provider, Receipt, User
from accounts.operations import Call, Close, Ending
from accounts.refusals import Conflict
from accounts.statements import changed_by_all, lock_money
from upstream.errors import provider_words
from upstream.video import Task
from videos import modes, pace, prices
from videos.failures import Verdict
from videos.lifecycle.telling import owe, tell
from videos.models import TaskInput, VideoTask
from videos.offers import Way
from videos.specs import Spec

logger = logging.getLogger(__name__)

State = VideoTask.State
UNSENT = (State.SUBMITTING, State.SUBMIT_UNKNOWN)
SENDING = timedelta(seconds=40)  # longer than a provider may take to answer
LOOKED_FOR_AFTER = timedelta(seconds=10)
MOST_TOKENS = 2**31 - 1  # that a column holds
LINK_LASTS = timedelta(hours=24)
ABSENT = "The provider no longer knows this task. Find out there what became of it; an admin may give it up."
LATE = "The provider should have come to an end by now, and has not said so. Its price stays held."
CLASH = "The provider gave this task an id that another task has. Find out there which is right."

_OUTCOMES = {
    State.SUCCEEDED: Receipt.Outcome.DONE,
    State.FAILED: Receipt.Outcome.FAILED,
    State.EXPIRED: Receipt.Outcome.FAILED,
    State.CANCELLED: Receipt.Outcome.STOPPED,
}
_STATUSES = {State.SUCCEEDED: 200, State.FAILED: 502, State.EXPIRED: 504, State.CANCELLED: 200}


# Sending


@transaction.atomic
def send_now(tasks: Iterable[VideoTask]) -> list[VideoTask]:
    """Note that these are about to be sent. Those returned may be; whoever dies now leaves their outcome unknown."""
    now = timezone.now()
    sending = []
    for task in tasks:
        still = VideoTask.objects.filter(pk=task.pk, state=State.SUBMITTING, sent_at=task.sent_at)
        if still.update(sent_at=now, lease_until=now + SENDING, updated_at=now):
            task.sent_at = now
            sending.append(task)
    return sending


@transaction.atomic
def note_accepted(task: VideoTask, upstream_id: str) -> None:
    """The provider took it and calls it so."""
    is_new = _take_id(task, upstream_id, needs_attention=False, attention="", was_refused=False)
    if not is_new and not VideoTask.objects.filter(pk=task.pk, upstream_id=upstream_id).exists():
        logger.error("accepted but not expected", extra={"task": task.public_id, "upstream_id": upstream_id})
        tell(task, "accepted late", upstream_id=upstream_id)


def _take_id(task: VideoTask, upstream_id: str, **fields: Any) -> bool:
    now = timezone.now()
    waiting = VideoTask.objects.filter(pk=task.pk, state__in=UNSENT, upstream_id="")
    try:
        with transaction.atomic():
            changed = waiting.update(
                state=State.QUEUED,
                upstream_id=upstream_id,
                failures=0,
                lease_until=None,
                next_step_at=pace.next_poll(now, now),
                updated_at=now,
                **fields,
            )
    except IntegrityError:
        waiting.update(state=State.SUBMIT_UNKNOWN, lease_until=None, next_step_at=pace.next_poll(now, now))
        flag(task, CLASH)
        return True
    if changed:
        TaskInput.objects.filter(task=task).delete()
        tell(task, "accepted", at=now, provider=task.provider_name, upstream_id=upstream_id)
    return bool(changed)


@transaction.atomic
def note_unknown(task: VideoTask, *, was_refused: bool) -> None:
    """It was sent, and nobody knows whether the provider took it. `was_refused` where it answered that it broke."""
    now = timezone.now()
    changed = VideoTask.objects.filter(pk=task.pk, state=State.SUBMITTING, sent_at__isnull=False).update(
        state=State.SUBMIT_UNKNOWN,
        was_refused=was_refused,
        lease_until=None,
        next_step_at=max(now, (task.sent_at or now) + LOOKED_FOR_AFTER),
        updated_at=now,
    )
    if changed:
        tell(task, "outcome unknown", at=now, provider=task.provider_name)


@transaction.atomic
def resend(task: VideoTask, *, at: datetime) -> None:
    """The provider certainly has not taken it, and may later: send it anew."""
    VideoTask.objects.filter(pk=task.pk, state__in=UNSENT, upstream_id="").update(
        state=State.SUBMITTING,
        sent_at=None,
        was_refused=False,
        lease_until=None,
        failures=F("failures") + 1,
        next_step_at=at,
        updated_at=timezone.now(),
    )


def note_refused(task: VideoTask, verdict: Verdict, *, next_way: Way | None) -> None:
    """The provider will not take it: it goes to the next one, whose price its hold must cover, or it has failed."""
    refusals = [
        *task.refusals,
        {"provider": task.provider_id, "name": task.provider_name, "code": verdict.code},
    ]
    if next_way is None:
        task.refusals = refusals
        report = Task(id="", status="failed", error_code=verdict.code, error_words=verdict.sentence)
        record([(task, report)], status=verdict.status)
        return
    now = timezone.now()
    with transaction.atomic():
        changed = VideoTask.objects.filter(pk=task.pk, state=State.SUBMITTING, sent_at=task.sent_at).update(
            provider=next_way.provider,
            provider_name=next_way.provider.name,
            upstream_model=next_way.upstream_model,
            price=prices.price(next_way, Spec.from_json(task.spec)).as_json(),
            refusals=refusals,
            sent_at=None,
            lease_until=None,
            failures=0,
            next_step_at=now,
            updated_at=now,
        )
        if changed:
            tell(task, "refused", at=now, provider=task.provider_name, code=verdict.code)


# Waiting


def postpone(tasks: Iterable[VideoTask], *, at: datetime, has_failed: bool = False) -> None:
    """Nothing new: let go of them until then."""
    VideoTask.objects.filter(pk__in=[task.pk for task in tasks], state__in=VideoTask.OPEN).update(
        lease_until=None, next_step_at=at, failures=F("failures") + int(has_failed)
    )


@transaction.atomic
def note_absent(task: VideoTask) -> None:
    """Asked for by its id, the provider did not know it. Twice in a row, and an admin is asked to look."""
    now = timezone.now()
    is_gone = task.absences >= 1
    VideoTask.objects.filter(pk=task.pk, state__in=VideoTask.OPEN).update(
        absences=F("absences") + 1,
        lease_until=None,
        next_step_at=pace.next_poll(task.created_at, now, needs_attention=is_gone or task.needs_attention),
    )
    if is_gone:
        flag(task, ABSENT)


def flag(task: VideoTask, sentence: str) -> None:
    """Ask an admin to look at it. Its price stays held."""
    flagged = VideoTask.objects.filter(pk=task.pk, state__in=VideoTask.OPEN, needs_attention=False).update(
        needs_attention=True, attention=sentence, version=F("version") + 1
    )
    if flagged:
        logger.error("task needs attention", extra={"task": task.public_id, "why": sentence})
        tell(task, "needs attention", why=sentence)


def wake(callback_token: str, hinted_id: str) -> None:
    """A provider says that something happened to the task of this token. It is not believed, but asked at once."""
    now = timezone.now()
    task = VideoTask.objects.filter(callback_token=callback_token, state__in=VideoTask.OPEN)
    task.filter(upstream_id="").update(next_step_at=now, hinted_id=hinted_id)
    task.exclude(upstream_id="").update(next_step_at=now)


# What a provider says


def record(seen: Sequence[tuple[VideoTask, Task]], *, status: int | None = None) -> None:
    """Bring tasks to where their provider says they are, with what that means for their money. `status` is the one for
    the receipt, where it is not the usual one of the state."""
    seen = sorted(seen, key=lambda each: each[0].pk)  # rows in one order, so that nobody waits in a ring
    ended = [each for each in seen if each[1].has_ended]
    with transaction.atomic():
        now = lock_money({task.team_id for task, _ in ended}) if ended else timezone.now()
        _go_on([each for each in seen if not each[1].has_ended], now)
        done = [(task, close) for task, report in ended if (close := _end(task, report, now, status))]
        if done:
            ledger.apply([close for _, close in done])
            owe(task for task, _ in done)
            for task, _ in done:
                if task.state == State.SUCCEEDED:
                    queue.enqueue("videos.jobs.fetch", task.pk, cluster="media")
            TaskInput.objects.filter(task__in=[task for task, _ in done]).delete()


_STILL = """
UPDATE videos_videotask SET next_step_at = %s, lease_until = NULL, failures = 0, absences = 0, progress = %s
WHERE id = %s AND state = %s
"""


def _go_on(seen: Sequence[tuple[VideoTask, Task]], now: datetime) -> None:
    still = []
    for task, report in seen:
        is_late = now > task.deadline_at
        if task.needs_attention and not is_late and task.attention in (ABSENT, LATE):
            VideoTask.objects.filter(pk=task.pk, attention=task.attention).update(
                needs_attention=False, attention="", version=F("version") + 1
            )
        elif is_late and not task.needs_attention:
            flag(task, LATE)
        if report.status == State.RUNNING and task.state == State.QUEUED:
            _start(task, now)
        if not report.is_known_status:
            logger.warning("unknown status word", extra={"task": task.public_id, "word": report.status})
        due = pace.next_poll(task.sent_at or task.created_at, now, needs_attention=is_late)
        still.append((due, report.progress, task.pk, str(task.state)))
    changed_by_all(_STILL, still)


def _start(task: VideoTask, now: datetime) -> None:
    changed = VideoTask.objects.filter(pk=task.pk, state=State.QUEUED).update(
        state=State.RUNNING, started_at=now, updated_at=now, version=F("version") + 1
    )
    if changed:
        task.state, task.version = State.RUNNING, task.version + 1
        tell(task, "running", at=now)
        owe([task])


def _end(task: VideoTask, report: Task, now: datetime, status: int | None) -> Close | None:
    """What is left to do to its hold; None where somebody else ended it."""
    state = State(report.status)
    tokens = _tokens(task, report) if state == State.SUCCEEDED else None
    close = _close(task, report, state, tokens, status or _STATUSES[state])
    charge = min(sum(call.cost_nanousd for call in close.calls), task.estimated_nanousd)
    is_made = state == State.SUCCEEDED
    changed = VideoTask.objects.filter(pk=task.pk, state__in=VideoTask.OPEN).update(
        state=state,
        progress=None,
        error_code=close.ending.code if close.ending else "",
        error_message=(report.error_words or "")[:500],
        result=_facts(report),
        refusals=task.refusals,
        usage_tokens=tokens,
        charged_nanousd=charge,
        needs_attention=False,
        attention="",
        lease_until=None,
        next_step_at=None,
        fetch=VideoTask.Fetch.DUE if is_made else VideoTask.Fetch.NONE,
        fetch_at=now if is_made else None,
        upstream_url=usable_link(report.video_url),
        upstream_last_frame_url=usable_link(report.last_frame_url),
        upstream_url_expires_at=now + LINK_LASTS if is_made else None,
        updated_at=now,
        completed_at=now,
        version=F("version") + 1,
    )
    if not changed:
        return None
    task.state, task.version = state, task.version + 1
    tell(task, state.value, at=now, charged_nanousd=charge, code=report.error_code or "")
    return close


def _close(task: VideoTask, report: Task, state: VideoTask.State, tokens: int | None, status: int) -> Close:
    calls = [Call(_named(each), each["code"]) for each in task.refusals]
    if task.upstream_id:
        cost = money.cost_nanousd([(tokens or 0, task.price["completion_picousd"])])
        basis = Attempt.Basis.NONE
        if tokens is not None:
            basis = Attempt.Basis.REPORTED if report.tokens is not None else Attempt.Basis.ESTIMATED
        usage = {} if tokens is None else {"completion_tokens": tokens}
        calls.append(Call(task.provider, state.value, basis, cost, usage, task.upstream_id))
    is_made = state == State.SUCCEEDED
    code = "" if is_made else (report.error_code or state.value)
    refusal = {"detail": report.error_words or f"The video was {state.value}."} if not is_made else None
    ending = Ending(
        _OUTCOMES[state],
        status=status,
        code=code[:64],
        tokens_in=0 if is_made else None,
        tokens_out=tokens,
        price=task.price,  # of who was asked last; what was held is at the dearest's
        refusal=refusal,
    )
    return Close(task, Hold.State.SETTLED if is_made else Hold.State.RELEASED, calls, ending)


def _named(refused: dict[str, Any]) -> Provider:
    """A provider for an attempt, which keeps its name when the row is gone."""
    return Provider(pk=refused["provider"], name=refused["name"])


def _tokens(task: VideoTask, report: Task) -> int:
    """As the provider counted; where it does not say, the most that was reckoned with for what it made."""
    if report.tokens is not None:
        return min(report.tokens, MOST_TOKENS)
    return modes.most_tokens(Spec.from_json(task.spec))


def _facts(report: Task) -> dict[str, Any]:
    """What can be shown and kept of what a provider says of the clip."""
    kept: dict[str, Any] = {}
    for name, value in report.facts.items():
        if isinstance(value, str):
            kept[name] = provider_words(value, secret="", cap=200)
        elif isinstance(value, int | float) and abs(value) < 2**53:
            kept[name] = value
    return kept


def usable_link(url: str | None) -> str:
    is_one = url is not None and url.startswith(("http://", "https://")) and url.isprintable() and len(url) <= 4000
    return url if url and is_one else ""


# What people do


def cancel_unsent(task: VideoTask, *, by: User) -> bool:
    """End a task that was never sent. False where it was, or is being."""
    with transaction.atomic():
        lock_money([task.team_id])
        mine = VideoTask.objects.filter(pk=task.pk, state=State.SUBMITTING, sent_at=None)
        if not mine.update(sent_at=timezone.now()):  # so that nobody sends it
            return False
        tell(task, "cancel asked", by=by)
        record([(task, Task(id="", status="cancelled"))])
    return True


def adopt(task: VideoTask, upstream_id: str, *, by: User | None) -> None:
    """Say which of the provider's tasks it is. Raises Conflict where its outcome is not unknown, or the id is taken."""
    with transaction.atomic():
        tell(task, "adopted", by=by, upstream_id=upstream_id)
        if not _take_id(task, upstream_id, needs_attention=False, attention="", was_refused=False):
            raise Conflict("The outcome of this task is known by now.")
        if by:
            audit.record(
                task.team_id, actor=by, action="video-adopted", subject=task.public_id, upstream_id=upstream_id
            )


def give_up(task: VideoTask, *, by: User) -> None:
    """An admin says that nothing will come of it: its hold is released. Raises Conflict where nobody needs to say."""
    with transaction.atomic():
        lock_money([task.team_id])
        fresh = VideoTask.objects.select_related("provider").get(pk=task.pk)
        if not (fresh.is_open and (fresh.needs_attention or fresh.state == State.SUBMIT_UNKNOWN)):
            raise Conflict("This task needs nobody to give it up: its provider still tells of it, or it has ended.")
        sentence = "An admin gave it up: its provider never said what became of it."
        record([(fresh, Task(id="", status="failed", error_code="given_up", error_words=sentence))])
        audit.record(task.team_id, actor=by, action="video-given-up", subject=task.public_id)


def delete(task: VideoTask, *, by: User) -> None:
    """Take an ended task out of sight. Its receipt and its money stay. Raises Conflict while it runs."""
    now = timezone.now()
    with transaction.atomic():
        changed = VideoTask.objects.filter(pk=task.pk, state__in=VideoTask.ENDED, deleted_at=None).update(
            deleted_at=now, version=F("version") + 1
        )
        if changed:
            tell(task, "deleted", by=by, at=now)
    if not changed and task.is_open:
        raise Conflict("Task is running and cannot be deleted.", code="task_running")


@transaction.atomic
def restore(task: VideoTask, *, by: User) -> None:
    """Undo `delete`."""
    if VideoTask.objects.filter(pk=task.pk, deleted_at__isnull=False).update(deleted_at=None, version=F("version") + 1):
        tell(task, "restored", by=by)
