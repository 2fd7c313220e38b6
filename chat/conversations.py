"""Conversations and turns: starting, writing, stopping and finishing them. The only writer of a turn's state and text.

Every change of an unfinished turn is one conditional UPDATE on the request that claimed it; whoever lost the turn, to
a stop or a lapsed lease, sees no row change and goes quietly.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.callers import Caller
from accounts.models import Membership
from accounts.refusals import BadRequest, Conflict, Forbidden, NotFound
from catalog import offers
from chat import markdown
from chat.models import Conversation, Turn

LEASE = timedelta(seconds=15)
LONGEST_PROMPT = 200_000
INTERRUPTED = "The server stopped while this reply was being written. The text so far is kept."

State = Turn.State


@dataclass(frozen=True, slots=True)
class Written:
    """A reply as far as its writer has come."""

    text: str
    blocks: list[markdown.Block]


# Conversations


def visible_to(caller: Caller) -> QuerySet[Conversation]:
    """A person's own conversations in their team: they are private."""
    return caller.team.conversations.filter(owner=caller.user)


def newest_first(caller: Caller, *, before: str, limit: int) -> list[Conversation]:
    """Up to `limit` conversations, the last changed first, from behind the cursor `before` on."""
    rows = visible_to(caller).order_by("-updated_at", "-public_id")
    if before:
        changed_at, _, public_id = before.partition("~")
        try:
            moment = datetime.fromisoformat(changed_at).astimezone(UTC)
            rows = rows.filter(Q(updated_at__lt=moment) | Q(updated_at=moment, public_id__lt=public_id))
        except (ValueError, OverflowError):
            raise BadRequest("This list cannot be continued. Open it from its beginning.", param="before") from None
    return list(rows[:limit])


def cursor(row: Conversation) -> str:
    """Where `newest_first` goes on after this row."""
    return f"{row.updated_at.isoformat()}~{row.public_id}"


def being_written(rows: list[Conversation]) -> set[int]:
    """Which of these have a reply in the making, by primary key."""
    unfinished = Turn.objects.filter(conversation__in=rows, state__in=Turn.UNFINISHED, leased_until__gte=Now())
    return set(unfinished.values_list("conversation_id", flat=True))


def conversation(caller: Caller, public_id: str) -> Conversation:
    found = visible_to(caller).filter(public_id=public_id).first()
    if found is None:
        raise _no_such_conversation()
    return found


def _no_such_conversation() -> NotFound:
    return NotFound("There is no such conversation. It may have been deleted.")


def rename(caller: Caller, public_id: str, *, title: str) -> Conversation:
    title = " ".join(title.replace("\x00", "").split())
    if not 1 <= len(title) <= 120:
        raise BadRequest("Give the conversation a title of 1 to 120 characters.", param="title")
    found = conversation(caller, public_id)
    found.title = title
    found.save(update_fields=["title"])
    return found


def delete(caller: Caller, public_id: str) -> None:
    """Delete a conversation with its turns. A reply being written to it ends at its next write."""
    conversation(caller, public_id).delete()


# Turns


def reply(caller: Caller, public_id: str) -> Turn:
    """One of the caller's replies."""
    mine = Turn.objects.filter(conversation__in=visible_to(caller), role=Turn.Role.ASSISTANT)
    found = mine.select_related("conversation").filter(public_id=public_id).first()
    if found is None:
        raise NotFound("There is no such reply. Its conversation may have been deleted.")
    return found


def start(caller: Caller, *, prompt: str, model_id: str) -> Turn:
    """A new conversation with its first prompt. Returns the reply to be written."""
    prompt = _checked(caller, prompt, model_id)
    with transaction.atomic():
        fresh = Conversation.objects.create(
            team=caller.team,
            owner=caller.user,
            title=_title(prompt),
            model_id=model_id,
            updated_at=timezone.now(),
        )
        return _ask(fresh, prompt=prompt, model_id=model_id, parent=None)


def add(caller: Caller, public_id: str, *, prompt: str, model_id: str) -> Turn:
    """The next prompt of a conversation. Returns the reply to be written. Raises Conflict while another is."""
    prompt = _checked(caller, prompt, model_id)
    with transaction.atomic():
        found = _locked(conversation(caller, public_id))
        interrupt_lapsed(found.turns.all())
        last = found.turns.order_by("pk").last()
        if last is not None and last.is_unfinished:
            raise Conflict("A reply is still being written. Stop it, or send this when it is done.")
        return _ask(found, prompt=prompt, model_id=model_id, parent=last)


def retry(caller: Caller, public_id: str, *, model_id: str | None = None) -> Turn:
    """Another reply to the same prompt, beside the earlier one, whose text is kept."""
    earlier = reply(caller, public_id)
    model_id = model_id or earlier.model_id
    _checked(caller, "again", model_id)
    with transaction.atomic():
        found = _locked(earlier.conversation)
        interrupt_lapsed(found.turns.all())
        newest = found.turns.order_by("pk").last()
        if newest is None or newest.is_unfinished:
            raise Conflict("A reply is being written already.")
        if newest.parent_id != earlier.parent_id:
            raise Conflict("The conversation went on after this reply. Ask again below instead.")
        return _reply_to(earlier.parent, found, model_id)


def stop(caller: Caller, public_id: str) -> Turn:
    """Ask whoever writes the reply to stop; one that nobody has begun is over at once. Stopping a finished reply
    changes nothing."""
    found = reply(caller, public_id)
    unfinished = Turn.objects.filter(pk=found.pk, state__in=Turn.UNFINISHED)
    if not unfinished.filter(request_id="").update(
        state=State.STOPPED, stop_asked=True, leased_until=None, finished_at=timezone.now()
    ):
        unfinished.update(stop_asked=True)
    return found


def thread(found: Conversation) -> list[Turn]:
    """All turns in order, none of them claiming to be written when its writer is gone."""
    interrupt_lapsed(found.turns.all())
    return list(found.turns.select_related("conversation__owner", "parent").order_by("pk"))


def turns_after(found: Conversation, seen: list[str]) -> list[Turn]:
    """The turns after the one whose public id a page saw last; all of them for a page that saw none."""
    turns = thread(found)
    last = [index for index, turn in enumerate(turns) if turn.public_id in seen]
    return turns[last[-1] + 1 :] if last else turns


def messages(turn: Turn) -> list[dict[str, str]]:
    """What the model is given to reply to: the turns above this reply, oldest first. An empty reply is left out."""
    by_id = {above.pk: above for above in turn.conversation.turns.defer("blocks")}
    path: list[Turn] = []
    above = by_id.get(turn.parent_id or 0)
    while above is not None:
        path.append(above)
        above = by_id.get(above.parent_id or 0)
    return [{"role": above.role, "content": above.text} for above in reversed(path) if above.text]


# Writing a reply


def claim(public_id: str, *, request_id: str) -> Turn | None:
    """Take a waiting reply to write it, once. None if somebody else has it or it was stopped before it began."""
    waiting = Turn.objects.filter(public_id=public_id, state=State.WAITING, request_id="", stop_asked=False)
    if not waiting.update(request_id=request_id, leased_until=Now() + LEASE):
        return None
    return Turn.objects.select_related("conversation__team", "conversation__owner", "parent").get(public_id=public_id)


def checkpoint(turn: Turn, written: Written, **facts: Any) -> bool:
    """Keep what is written so far and renew the lease. False tells the writer to stop: it was asked to, or lost the
    turn. `facts` are further columns, such as provider_name."""
    state = State.WRITING if written.text else State.WAITING
    kept = _mine(turn).filter(stop_asked=False)
    return bool(kept.update(text=written.text, blocks=written.blocks, state=state, leased_until=Now() + LEASE, **facts))


def finish(turn: Turn, written: Written, *, state: State, **facts: Any) -> bool:
    """End a reply with what was written. False if somebody ended it before."""
    blocks = [*written.blocks, *markdown.all_blocks(written.text, written.blocks[-1][0] if written.blocks else 0)]
    ended = _mine(turn).update(
        text=written.text, blocks=blocks, state=state, leased_until=None, finished_at=timezone.now(), **facts
    )
    if ended:
        Conversation.objects.filter(pk=turn.conversation_id).update(updated_at=timezone.now())
    return bool(ended)


def interrupt_lapsed(turns: QuerySet[Turn]) -> None:
    """Mark replies whose writer is gone. Their text so far is kept and rendered."""
    for turn in turns.filter(state__in=Turn.UNFINISHED, leased_until__lt=Now()):
        rest = markdown.all_blocks(turn.text, turn.blocks[-1][0] if turn.blocks else 0)
        still = Turn.objects.filter(pk=turn.pk, state__in=Turn.UNFINISHED, leased_until__lt=Now())
        still.update(
            state=State.STOPPED if turn.stop_asked else State.INTERRUPTED,
            blocks=[*turn.blocks, *rest],
            error="" if turn.stop_asked else INTERRUPTED,
            leased_until=None,
            finished_at=timezone.now(),
        )


def _mine(turn: Turn) -> QuerySet[Turn]:
    return Turn.objects.filter(pk=turn.pk, request_id=turn.request_id, state__in=Turn.UNFINISHED)


def _locked(found: Conversation) -> Conversation:
    """The conversation's row lock: of two prompts sent at once, the second sees the first one's reply."""
    locked = Conversation.objects.select_for_update().filter(pk=found.pk).first()
    if locked is None:
        raise _no_such_conversation()
    return locked


def _checked(caller: Caller, prompt: str, model_id: str) -> str:
    if not caller.has_role(Membership.Role.MEMBER):
        raise Forbidden("Viewers read and do not chat. Ask an owner or admin to make you a member.")
    prompt = prompt.replace("\r\n", "\n").replace("\x00", "").strip()
    if not prompt:
        raise BadRequest("Write a message first.", param="prompt")
    if len(prompt) > LONGEST_PROMPT:
        raise BadRequest(
            f"The message is longer than {LONGEST_PROMPT:,} characters. Shorten or split it.", param="prompt"
        )
    offers.model(caller, model_id)
    return prompt


def _ask(found: Conversation, *, prompt: str, model_id: str, parent: Turn | None) -> Turn:
    asked = Turn.objects.create(conversation=found, parent=parent, role=Turn.Role.USER, state=State.DONE, text=prompt)
    return _reply_to(asked, found, model_id)


def _reply_to(asked: Turn | None, found: Conversation, model_id: str) -> Turn:
    Conversation.objects.filter(pk=found.pk).update(updated_at=timezone.now(), model_id=model_id)
    return Turn.objects.create(
        conversation=found,
        parent=asked,
        role=Turn.Role.ASSISTANT,
        state=State.WAITING,
        model_id=model_id,
        leased_until=Now() + LEASE,
    )


def _title(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= 60 else f"{line[:59].rstrip()}…"
