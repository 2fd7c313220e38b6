"""A clip that goes on to another provider: what is held for it, what it is charged and what its receipt says."""

from collections.abc import Iterator

import pytest

from accounts import itemised, vault
from accounts.callers import Caller
from accounts.models import Provider, Receipt, Wallet
from catalog import curation
from tests.conftest import signed_in
from tests.video_provider import KEY, VideoProvider, running_video_provider
from tests.videos.conftest import Program, let_pass, the_only_task
from upstream.embedded import runtime

MODEL = "bytedance/seedance-2.0"
MOST = "0.760767"


@pytest.fixture
def renderer(settings, tmp_path, funded: Caller) -> Iterator[VideoProvider]:
    """In place of the storyboard renderer; it draws Seedance where nobody else makes it."""
    settings.STORYBOARD_RUNTIME_FILE = tmp_path / "storyboard.json"
    curation.draw(funded, MODEL)
    with running_video_provider() as running:
        runtime.write(settings.STORYBOARD_RUNTIME_FILE, runtime.Runtime(running.base_url, KEY, 1, "storyboard"))
        yield running


@pytest.fixture
def drawn_while_paused(program: Program, funded: Caller, renderer: VideoProvider, connected: Provider) -> str:
    """Taken on while Ark was paused, so that nothing is held for it. Ark may be asked again by now."""
    vault.pause(connected, by=funded)
    created = program.create().json()
    assert (created["is_storyboard"], created["cost"]["held"]) == (True, "0.00")
    vault.resume(connected, by=funded)
    public_id: str = created["id"]
    return public_id


def draw_first(caller: Caller, ark: Provider) -> None:
    embedded = caller.team.providers.get(kind=Provider.Kind.EMBEDDED)
    curation.set_offer(caller, provider_id=embedded.public_id, model_id=MODEL, priority=1, is_on=True)
    curation.set_offer(caller, provider_id=ark.public_id, model_id=MODEL, priority=2, is_on=True)


def test_nothing_is_sent_on_to_who_may_cost_more_than_is_held(program, drawn_while_paused, renderer, provider):
    renderer.next_create.append((429, False))
    let_pass()
    let_pass()
    assert not provider.clips
    renderer.make()
    let_pass()

    assert program.get(drawn_while_paused).json()["cost"]["charged"] == "0.00"
    assert Receipt.objects.get().provider_name == the_only_task().provider_name != "Ark"


def test_who_is_left_and_may_cost_more_is_named_where_it_fails(program, drawn_while_paused, renderer, provider):
    renderer.next_create.append((402, False))
    let_pass()
    let_pass()

    shown = program.get(drawn_while_paused).json()
    assert (shown["status"], shown["error"]["code"]) == ("failed", "provider_out_of_funds")
    assert "Ark was not asked: it may cost more than is held. Submit it again" in shown["error"]["message"]
    assert not provider.clips


def test_what_is_held_covers_the_dearest_way(program, funded, renderer, provider, connected, team):
    draw_first(funded, connected)
    created = program.create().json()
    assert (created["is_storyboard"], created["cost"]["held"]) == (True, MOST)
    renderer.next_create.append((429, False))
    let_pass()
    let_pass()
    provider.make()
    let_pass()

    shown = program.get(created["id"]).json()
    assert (shown["provider"], shown["cost"]["charged"]) == ("Ark", "0.756")
    assert Receipt.objects.get().charged_nanousd == 756_000_000
    assert Wallet.objects.get(team=team).held_nanousd == 0


def test_what_is_drawn_in_the_end_is_free_whatever_was_held(program, funded, renderer, connected):
    draw_first(funded, connected)
    public_id = program.create().json()["id"]
    let_pass()
    renderer.make()
    let_pass()

    assert program.get(public_id).json()["cost"] == {
        "currency": "USD",
        "estimated": MOST,
        "held": "0.00",
        "charged": "0.00",
    }


def test_receipt_of_what_fell_to_the_renderer_has_its_price_and_not_the_providers(
    program, funded, renderer, provider, connected
):
    created = program.create().json()
    provider.next_create.append((402, False))
    let_pass()
    let_pass()
    renderer.make()
    let_pass()

    receipt = Receipt.objects.get()
    told = program.client.get(f"/api/v1/generations/{created['request_id']}").json()
    [part] = [part for part in itemised.of(receipt).parts if part.tokens]
    page = signed_in(funded).get(f"/usage/requests/{created['request_id']}/")
    assert (receipt.held_nanousd, receipt.charged_nanousd) == (760_767_000, 0)
    assert (part.tokens, part.million_nanousd, part.cost_nanousd) == (108_000, 0, 0)
    assert (told["price"]["source"], told["cost"]["charged"]) == ("Drawn on this machine", "0.00")
    assert "Drawn on this machine" in page.text and "0.756" not in page.text


def test_receipt_of_what_went_on_from_the_renderer_has_the_price_of_who_made_it(
    program, funded, renderer, provider, connected
):
    draw_first(funded, connected)
    program.create()
    renderer.next_create.append((429, False))
    let_pass()
    let_pass()
    provider.make()
    let_pass()

    receipt = Receipt.objects.get()
    assert sum(part.cost_nanousd for part in itemised.of(receipt).parts) == receipt.charged_nanousd == 756_000_000
