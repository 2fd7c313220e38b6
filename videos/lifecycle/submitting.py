"""How a task begins: its price is held and its row written in one transaction, once for each idempotency key."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts import keys, ledger, queue
from accounts.callers import Caller
from accounts.models import Membership, Receipt
from accounts.operations import Keep, RequestFacts
from accounts.refusals import BadRequest, Forbidden, RateLimited, Refusal
from accounts.statements import lock_money
from videos import modes, offers, prices, uploads
from videos.lifecycle.telling import tell
from videos.models import TaskInput, VideoTask, folded
from videos.orders import expires_after_s
from videos.requests import Asked
from videos.specs import Reference, Spec

State = VideoTask.State

MOST_OPEN_A_TEAM = 10_000
MOST_HOPS = 3  # one more than a gateway behind a gateway needs
PATIENCE = timedelta(hours=1)  # beyond what the provider was told
NO_RETRY = {"x-should-retry": "false"}


@dataclass(frozen=True, slots=True)
class Submission:
    """`is_repeat` where the same request had been submitted before under its key: then nothing was done."""

    task: VideoTask
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class Quote:
    """What a clip may cost at most, whoever makes it in the end, and how that was reckoned. `way` is tried first."""

    way: offers.Way
    tokens: int
    price: prices.VideoPrice

    @property
    def amount_nanousd(self) -> int:
        return self.price.of(self.tokens)


def quote(caller: Caller, spec: Spec) -> Quote:
    """Before submitting. Raises Forbidden where nobody offers the model to the team, or an admin has hidden it."""
    found = offers.ways(caller.team, spec.model)
    if not found:
        raise offers.refusal(caller.team, spec.model)
    dearest = max((prices.price(way, spec) for way in found), key=lambda price: price.token_picousd)
    return Quote(found[0], modes.most_tokens(spec), dearest)


def submit(
    caller: Caller,
    asked: Asked,
    *,
    request_id: str,
    client: str = "",
    idempotency_key: str | None = None,
    shot: str = "",
    take: int = 1,
    remix_of: VideoTask | None = None,
    hops: int = 0,
) -> Submission:
    """Take a task on: hold its price, keep it, and have it sent once this is committed.

    The same key with the same request gives the task of the first time as it is now, also while that one is being
    written. Raises BadRequest for the key with another request, Forbidden, PaymentRequired or RateLimited; then nothing
    is kept but the receipt of what money refused, and the key may be used again.
    """
    _check_key(idempotency_key)
    keys.check_model(caller, asked.spec.model, *offers.names(asked.spec.model))
    if hops >= MOST_HOPS:
        raise BadRequest(
            f"This request has passed {MOST_HOPS} EMMA18 servers: one is connected to itself, perhaps through another. "
            "Its admins must remove that provider.",
            code="loop_detected",
        )
    if not caller.has_role(Membership.Role.MEMBER):
        raise Forbidden(f"Your role in {caller.team} is {caller.role}. Ask an owner or admin to let you make videos.")
    with transaction.atomic():
        now = lock_money([caller.team.pk])  # a repeat waits here until the first is written
        if first := _first(caller, asked, idempotency_key):
            return Submission(first, is_repeat=True)
        if VideoTask.objects.filter(team=caller.team, state__in=VideoTask.OPEN).count() >= MOST_OPEN_A_TEAM:
            raise RateLimited(
                f"Your team has {MOST_OPEN_A_TEAM:,} videos under way. Wait until some are done.",
                facts={"limit_source": "team"},
                headers={"Retry-After": "60"},
            )
        asked = _with_uploads(caller, asked)
        quoted = quote(caller, asked.spec)
        kept = _keep(caller, asked.spec, quoted, request_id=request_id, client=client)
        if not isinstance(kept, Refusal):
            task = _write(caller, asked, quoted, request_id, client, now)
            task.idempotency_key, task.hops = idempotency_key, hops
            task.shot, task.take, task.remix_of = shot or task.public_id, take, remix_of
            task.save(force_insert=True)
            _keep_inputs(task, asked.spec.references)
            tell(task, "submitted", by=caller.user, at=now, model=task.model_id, held_nanousd=task.estimated_nanousd)
            queue.enqueue("videos.jobs.advance", task.pk, cluster="videos")
    if isinstance(kept, Refusal):  # raised here, for its receipt is to be committed
        raise kept
    return Submission(task, is_repeat=False)


def _check_key(key: str | None) -> None:
    if key is not None and not (1 <= len(key) <= 255 and key.isascii() and key.isprintable() and " " not in key):
        raise BadRequest(
            "An Idempotency-Key has 1 to 255 visible ASCII characters, such as a UUID.",
            code="invalid_parameter",
            param="Idempotency-Key",
        )


def _first(caller: Caller, asked: Asked, key: str | None) -> VideoTask | None:
    first = VideoTask.objects.filter(team=caller.team, idempotency_key=key).first() if key else None
    if first is not None and first.fingerprint != asked.fingerprint:
        raise BadRequest(
            f"This Idempotency-Key was used for another request, which became {first.public_id}. Use a key once, or "
            "send the same request again.",
            code="idempotency_key_reused",
            param="Idempotency-Key",
            headers=NO_RETRY,
        )
    return first


def _with_uploads(caller: Caller, asked: Asked) -> Asked:
    if not any(reference.url.startswith(uploads.SCHEME) for reference in asked.spec.references):
        return asked
    first = quote(caller, asked.spec).way
    return replace(asked, spec=uploads.attach(caller.team, asked.spec, first.provider))


def _keep(caller: Caller, spec: Spec, quoted: Quote, *, request_id: str, client: str) -> Any:
    facts = RequestFacts(
        door=Receipt.Door.VIDEO.value,
        client=client[:80],
        price=quoted.price.as_json(),
        prompt_tokens=0,
        output_tokens=quoted.tokens,
    )
    model_id = offers.catalog_id(spec.model)
    keep = Keep(caller, request_id, quoted.amount_nanousd, model_id, lease_s=None, request=facts)
    [outcome] = ledger.apply([keep])
    return outcome


def _write(caller: Caller, asked: Asked, quoted: Quote, request_id: str, client: str, now: datetime) -> VideoTask:
    spec, way = asked.spec, quoted.way
    expires_s = expires_after_s(way.provider, spec)
    bare = replace(spec, references=tuple(_bare(reference) for reference in spec.references))
    return VideoTask(
        request_id=request_id,
        team=caller.team,
        user=caller.user,
        access_key=caller.access_key,
        client=client[:80],
        mode=spec.mode,
        model_id=spec.model,
        prompt=spec.prompt,
        prompt_folded=folded(spec.prompt),
        spec=bare.to_json(),
        metadata=asked.metadata,
        callback_url=asked.callback_url,
        fingerprint=asked.fingerprint,
        provider=way.provider,
        provider_name=way.provider.name,
        upstream_model=way.upstream_model,
        callback_token=secrets.token_urlsafe(32),
        expires_after_s=expires_s,
        state=State.SUBMITTING,
        next_step_at=now,
        deadline_at=now + timedelta(seconds=expires_s) + PATIENCE,
        price=prices.price(way, spec).as_json(),
        estimated_nanousd=quoted.amount_nanousd,
        created_at=now,
        updated_at=now,
    )


def _bare(reference: Reference) -> Reference:
    """Without the file itself, which may be megabytes: it is kept apart, and not for long."""
    if not reference.url.startswith("data:"):
        return reference
    return replace(reference, url=reference.url.partition(",")[0] + ",")


def _keep_inputs(task: VideoTask, references: Sequence[Reference]) -> None:
    TaskInput.objects.bulk_create(
        TaskInput(task=task, number=number, content=reference.url)
        for number, reference in enumerate(references)
        if reference.url.startswith("data:")
    )
