"""What admins say of a team's models: hidden, out of date and replaced by which, under which other names, and which
offer is tried first or not at all. Prices that admins enter are `prices.py`'s.
"""

import re

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.callers import Caller
from accounts.models import Provider
from accounts.refusals import BadRequest, Conflict, NotFound
from catalog import names
from catalog.known import KnownModel, catalog
from catalog.models import Alias, Model, Offer
from upstream.embedded.storyboard import order as storyboard

LAST_PRIORITY = 999
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,79}")


@transaction.atomic
def hide(caller: Caller, model_id: str, *, is_hidden: bool) -> bool:
    """Nobody can call a hidden model, and only admins see it. False where it was so already. Raises NotFound."""
    row = _row(caller, model_id)
    changed = Model.objects.filter(pk=row.pk, is_hidden=not is_hidden).update(is_hidden=is_hidden)
    if changed:
        _record(caller, "model hidden" if is_hidden else "model shown", row.model_id)
    return bool(changed)


@transaction.atomic
def deprecate(caller: Caller, model_id: str, *, is_deprecated: bool, replaced_by: str = "") -> None:
    """Whoever looks at it is told, and led to the other. Raises NotFound, or BadRequest for the replacement."""
    row = _row(caller, model_id)
    other = _id_of(caller, replaced_by.strip()) if is_deprecated and replaced_by.strip() else ""
    if other == row.model_id:
        raise BadRequest("A model cannot replace itself.", param="replaced_by")
    since = row.deprecated_at or timezone.now() if is_deprecated else None
    Model.objects.filter(pk=row.pk).update(is_deprecated=is_deprecated, deprecated_at=since, replaced_by=other)
    _record(caller, "model deprecated" if is_deprecated else "model current", row.model_id, replaced_by=other)


@transaction.atomic
def add_alias(caller: Caller, model_id: str, alias: str) -> None:
    """Raises NotFound for the model, BadRequest for what is no name, Conflict for a name that stands for something."""
    row, alias = _row(caller, model_id), alias.strip()
    if not _ALIAS.fullmatch(alias):
        raise BadRequest(
            "An alias is up to 80 letters, digits and . _ - : / beginning with a letter or digit, such as team/writer.",
            param="alias",
        )
    if caller.team.models.filter(model_id=alias).exists() or catalog().get(alias):
        raise Conflict(f"{alias} is a model's own name already. Choose another.", param="alias")
    try:
        with transaction.atomic():
            Alias.objects.create(team=caller.team, alias=alias, model_id=row.model_id)
    except IntegrityError:
        taken = caller.team.aliases.filter(alias=alias).first()
        stands_for = taken.model_id if taken else "another model"
        raise Conflict(f"{alias} stands for {stands_for} already. Remove it there first.", param="alias") from None
    _record(caller, "alias added", alias, model_id=row.model_id)


@transaction.atomic
def remove_alias(caller: Caller, alias: str) -> None:
    """Raises NotFound."""
    removed, _ = caller.team.aliases.filter(alias=alias).delete()
    if not removed:
        raise NotFound(f"There is no alias {alias[:80]}. It may have been removed already.")
    _record(caller, "alias removed", alias)


@transaction.atomic
def set_offer(caller: Caller, *, provider_id: str, model_id: str, priority: int, is_on: bool) -> None:
    """The lower number is tried first. Raises NotFound, or BadRequest for a number that is no place."""
    if not 0 <= priority <= LAST_PRIORITY:
        raise BadRequest(f"A place is a number from 0, tried first, to {LAST_PRIORITY}.", param="priority")
    offers = Offer.objects.filter(provider__team=caller.team, provider__public_id=provider_id)
    changed = offers.filter(model__model_id=model_id).update(priority=priority, is_on=is_on)
    if not changed:
        raise NotFound(f"That provider does not offer {model_id[:100]} any more.")
    _record(caller, "offer changed", model_id, provider=provider_id, priority=priority, is_on=is_on)


def can_be_drawn(known: KnownModel | None) -> bool:
    """Whether tasks can ask for it at all: only those models have prices of videos."""
    return known is not None and bool(known.video_prices)


@transaction.atomic
def draw(caller: Caller, model_id: str) -> None:
    """Have a video model drawn as storyboards where no other provider makes it: an offer like any other from then on,
    tried last. Raises NotFound, or BadRequest for a model that no video can be asked of."""
    row = _row(caller, model_id)
    if not can_be_drawn(catalog().get(row.model_id)):
        raise BadRequest(f"Nobody can ask {row.model_id} for a video here, so there is nothing to draw in its place.")
    renderer = caller.team.providers.get(kind=Provider.Kind.EMBEDDED)
    _, is_new = Offer.objects.get_or_create(
        provider=renderer,
        model=row,
        defaults={"upstream_id": storyboard.MODEL_ID, "priority": LAST_PRIORITY},
    )
    if is_new:
        _record(caller, "drawn as storyboards", row.model_id)


def _row(caller: Caller, model_id: str) -> Model:
    """The team's row of a model, made for one that is known and not offered, so that something can be said of it."""
    found = caller.team.models.filter(model_id=model_id).first()
    if found:
        return found
    known = catalog().get(model_id)
    if known is None:
        raise NotFound(f"There is no model {model_id[:100]!r} in the catalog.")
    row, _ = Model.objects.get_or_create(
        team=caller.team,
        model_id=known.id,
        defaults={
            "name": known.name,
            "description": known.about,
            "context_length": known.context,
            "output_cap": known.output,
        },
    )
    return row


def _id_of(caller: Caller, name: str) -> str:
    model_id = names.id_of(caller.team, name)
    if model_id is None:
        raise BadRequest(f"There is no model {name[:100]!r} to go to. Give the id of one.", param="replaced_by")
    return model_id


def _record(caller: Caller, action: str, subject: str, **facts: object) -> None:
    audit.record(caller.team.pk, actor=caller.user, action=action, subject=subject, **facts)
