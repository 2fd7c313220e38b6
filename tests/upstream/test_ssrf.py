"""No spelling of an address, no name and no change of mind of a name server leads where we must not connect to."""

import socket
from collections.abc import Iterator

import pytest

from tests.provider import running_provider
from tests.upstream import ssrf
from tests.upstream.conftest import HURRIED, ask
from upstream import chat, client, egress
from upstream.client import Endpoint
from upstream.errors import AddressBlocked, Garbled, Redirected, Unreachable, UpstreamError
from upstream.models import list_models

FORMS = [*ssrf.TO_OURSELVES, *ssrf.MISREAD, *ssrf.ELSEWHERE]
EVERYTHING = ["0.0.0.0/0", "::/0"]


@pytest.fixture
def sink() -> Iterator[ssrf.Sink]:
    with ssrf.running_sink() as sink:
        yield sink


@pytest.fixture
def names(monkeypatch) -> ssrf.NameServer:
    names = ssrf.NameServer(dict(ssrf.ANSWERS))
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    return names


async def call(form: str, sink: ssrf.Sink) -> None:
    endpoint = Endpoint(form.replace("PORT", str(sink.port)), "sk-provider-key")
    await list_models(endpoint, request_id="req_1", limits=HURRIED)


def test_there_are_many_forms_and_each_is_tried_once():
    assert len(FORMS) == len(set(FORMS)) == 133


@pytest.mark.parametrize("form", FORMS)
async def test_no_form_reaches_what_it_is_after(names, sink, form):
    egress.allow([], loopback=False)

    with pytest.raises(Unreachable):
        await call(form, sink)

    assert sink.reached == []


@pytest.mark.parametrize("form", ssrf.TO_OURSELVES)
async def test_each_form_that_leads_to_ourselves_would_reach_it_without_the_guard(names, sink, form):
    egress.allow(EVERYTHING, loopback=True)

    with pytest.raises(UpstreamError):
        await call(form, sink)

    assert sink.reached


@pytest.mark.parametrize("form", ssrf.ELSEWHERE)
async def test_elsewhere_is_refused_by_its_address_not_by_chance(names, sink, form):
    egress.allow([], loopback=False)

    with pytest.raises(AddressBlocked, match="private or special .* EMMA18_EGRESS_ALLOW="):
        await call(form, sink)


async def test_a_name_that_changes_its_mind_is_asked_once_and_connected_to_where_it_was_judged(names, sink):
    """DNS rebinding: the second answer, which a second look-up would get, is never asked for."""
    egress.allow(["127.0.0.2"], loopback=False)
    names.answers["rebind.example"] = ["127.0.0.2"]

    with pytest.raises(Garbled):
        await call("http://rebind.example:PORT/v1", sink)

    assert set(sink.reached) == {"::ffff:127.0.0.2"}
    assert names.asked == ["rebind.example"]


async def test_a_name_that_has_changed_its_mind_is_judged_anew_at_the_next_connection(names, sink):
    egress.allow(["127.0.0.2"], loopback=False)
    names.answers["rebind.example"] = ["127.0.0.2"]
    with pytest.raises(Garbled):
        await call("http://rebind.example:PORT/v1", sink)
    sink.reached.clear()
    names.answers["rebind.example"] = ["127.0.0.1"]

    with pytest.raises(AddressBlocked, match=r"127\.0\.0\.1"):
        await call("http://rebind.example:PORT/v1", sink)

    assert sink.reached == []


async def test_of_several_addresses_only_those_allowed_are_tried(names, sink):
    egress.allow(["127.0.0.2"], loopback=False)
    names.answers["mixed.example"] = ["::1", "127.0.0.1", "10.0.0.1", "127.0.0.2"]

    with pytest.raises(Garbled):
        await call("http://mixed.example:PORT/v1", sink)

    assert set(sink.reached) == {"::ffff:127.0.0.2"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:PORT/v1/models", "//127.0.0.1:PORT/", "http://loopback.example:PORT/"]
)
async def test_no_redirect_is_followed(provider, endpoint, sink, status, to):
    location = to.replace("PORT", str(sink.port))
    provider.script("/models", fault="redirect", redirect_to=location, redirect_status=status)

    with pytest.raises(Garbled, match="The provider redirected; not followed. It points to http://"):
        await list_models(endpoint, request_id="req_1", limits=HURRIED)

    assert sink.reached == []
    assert len(provider.requests) == 1


async def test_where_a_redirect_leads_is_for_admins_only(provider, endpoint):
    model = provider.script("moved", fault="redirect", redirect_to="http://user:pw@10.0.0.1/x?token=1#y")

    with pytest.raises(Redirected) as raised:
        await chat.complete(endpoint, ask(model), request_id="req_1")

    assert str(raised.value) == "The provider redirected; not followed."
    assert raised.value.location == "http://10.0.0.1/x"


@pytest.mark.parametrize("to", ["gopher://127.0.0.1/", "", "http://xn--/", "http://[::1", "http://h:99999/"])
async def test_a_redirect_that_points_nowhere_is_told_without_an_address(provider, endpoint, to):
    provider.script("/models", fault="redirect", redirect_to=to)

    with pytest.raises(Garbled, match="not followed. Is the base URL right"):
        await list_models(endpoint, request_id="req_1")


async def test_no_proxy_of_the_environment_gets_round_it(names, sink, monkeypatch):
    egress.allow([], loopback=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{sink.port}")
        monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{sink.port}")

    for form in ("http://metadata.example/v1", "https://169.254.169.254/v1"):
        with pytest.raises(AddressBlocked):
            await call(form, sink)

    assert sink.reached == []


async def test_a_kept_connection_ends_when_the_rules_change(provider, endpoint):
    await chat.complete(endpoint, ask("plain"), request_id="req_1")

    egress.allow([], loopback=False)

    with pytest.raises(AddressBlocked):
        await chat.complete(endpoint, ask("plain"), request_id="req_2")
    assert len(provider.requests) == 1


async def test_a_kept_connection_stays_with_the_server_it_was_allowed_for(names):
    egress.allow(["127.0.0.2"], loopback=False)
    names.answers["api.example"] = ["127.0.0.2"]
    with running_provider(host="127.0.0.2") as provider:
        port = provider.base_url.split(":")[2]
        endpoint = Endpoint(f"http://api.example:{port}", provider.key)
        await chat.complete(endpoint, ask("plain"), request_id="req_1")
        names.answers["api.example"] = ["127.0.0.1"]

        await chat.complete(endpoint, ask("plain"), request_id="req_2")
        assert len({received.peer for received in provider.requests}) == 1
        await client.close()

        with pytest.raises(AddressBlocked):
            await chat.complete(endpoint, ask("plain"), request_id="req_3")


async def test_the_guard_is_asked_for_connections_not_for_requests(provider, endpoint, monkeypatch):
    asked: list[egress.AddressInfo] = []
    guard = egress.guarded_socket
    monkeypatch.setattr(egress, "guarded_socket", lambda info: asked.append(info) or guard(info))
    await client.close()

    for _ in range(20):
        await chat.complete(endpoint, ask("plain"), request_id="req_1")

    assert len(asked) == 1
