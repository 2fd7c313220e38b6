"""Credit codes: what the operator makes with `manage.py creditcode`, and what becomes of one that is redeemed."""

import math
import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import codes
from accounts.models import AuditEntry, CreditCode, Entry, Wallet
from accounts.refusals import BadRequest, Conflict, Forbidden, RateLimited
from tests.accounts.conftest import DOLLAR


def made(**more) -> str:
    [code] = codes.issue(amount_nanousd=50 * DOLLAR, **more)
    return code


def test_codes_are_printed_once_and_only_their_digests_are_kept(db, capsys):
    call_command("creditcode", "50", "--count", "3", "--expires", "2099-12-31")

    printed = capsys.readouterr().out.split()
    assert len(set(printed)) == 3
    assert all(re.fullmatch(r"EM(-[0-9A-HJKMNP-TV-Z]{4}){3}-[0-9A-HJKMNP-TV-Z]{5}", code) for code in printed)
    assert not CreditCode.objects.filter(digest__in=printed).exists()
    assert math.log2(len(codes.ALPHABET)) * codes.RANDOM_LENGTH >= 80


@pytest.mark.parametrize(
    "arguments",
    [["0"], ["-5"], ["NaN"], ["1e400"], ["0.0000000001"], ["5", "--count=0"], ["5", "--expires=2020-01-01"]]
    + [["5", "--count=1001"], ["5", "--expires=soon"], ["5", "--expires=9999-12-31"]],
)
def test_bad_words_to_the_command_make_no_code(db, arguments):
    with pytest.raises(CommandError):
        call_command("creditcode", *arguments)

    assert not CreditCode.objects.exists()


def test_redeemed_code_adds_its_worth_once_and_is_written_down(alice):
    code = made()

    entry = codes.redeem(alice, code)

    assert (entry.kind, entry.amount_nanousd, entry.note) == ("top-up", 50 * DOLLAR, f"Code …{code[-4:]}")
    assert Wallet.objects.get(team=alice.team).balance_nanousd == 50 * DOLLAR
    assert AuditEntry.objects.get(action="top-up").facts["note"] == entry.note
    with pytest.raises(Conflict, match="alice redeemed this code on"):
        codes.redeem(alice, code)
    assert Entry.objects.count() == 1


@pytest.mark.parametrize("dash", ["-", "", " ", "\u2013"])
@pytest.mark.parametrize("start", [0, 3])
def test_case_dashes_and_the_first_letters_do_not_matter(alice, dash, start):
    typed = made()[start:].lower().replace("-", dash).replace("0", "o").replace("1", "l")

    assert codes.redeem(alice, f" {typed} ").amount_nanousd == 50 * DOLLAR


@pytest.mark.parametrize("typed", ["", "EM", "50", "EM-1234", "EM-1234-1234-1234-1234U4", "ß" * 17, "EM-" + "é" * 17])
def test_what_is_no_whole_code_is_refused_without_being_looked_for(alice, typed, django_assert_num_queries):
    with django_assert_num_queries(0), pytest.raises(BadRequest, match="A code is EM and 17|wrong or two are swapped"):
        codes.redeem(alice, typed)


def test_every_wrong_character_and_every_swap_is_noticed():
    body = codes.read(codes._written(codes._drawn()))
    wrong = [body[:at] + other + body[at + 1 :] for at in range(17) for other in codes.ALPHABET if other != body[at]]
    pairs = [(first, second) for second in range(17) for first in range(second)]
    swapped = [
        body[:first] + body[second] + body[first + 1 : second] + body[first] + body[second + 1 :]
        for first, second in pairs
    ]

    for each in {*wrong, *swapped} - {body}:
        with pytest.raises(BadRequest, match="wrong or two are swapped"):
            codes.read(each)


def test_expired_and_unknown_codes_say_so(alice):
    expired, unknown = made(expires_at=timezone.now() + timedelta(hours=1)), made()
    CreditCode.objects.filter(last_four=unknown[-4:]).delete()
    CreditCode.objects.update(expires_at=timezone.now())

    for code, says in ((expired, "This code expired on"), (unknown, "Nobody issued this code here")):
        with pytest.raises(Conflict, match=says):
            codes.redeem(alice, code)
    assert not Entry.objects.exists()


def test_code_of_another_team_does_not_say_who_used_it(alice, charlie):
    code = made()
    codes.redeem(charlie, code)

    with pytest.raises(Conflict, match=r"^This code was redeemed by another team\."):
        codes.redeem(alice, code)


def test_code_that_the_credit_cannot_take_stays_unused(alice):
    [rich] = codes.issue(amount_nanousd=10**18)
    codes.redeem(alice, made())

    with pytest.raises(Conflict, match="cannot take"):
        codes.redeem(alice, rich)

    assert CreditCode.objects.filter(last_four=rich[-4:], redeemed_at=None).exists()


def test_member_redeems_nothing(bob):
    with pytest.raises(Forbidden, match="An owner or admin redeems codes"):
        codes.redeem(bob, made())


def test_guessing_is_slowed_down_and_seen_by_the_other_admins(alice):
    used = made()
    codes.redeem(alice, used)
    for _ in range(codes.MOST_FAILED):
        with pytest.raises(Conflict):
            codes.redeem(alice, used)

    with pytest.raises(RateLimited, match="Try again in 60 min") as refused:
        codes.redeem(alice, made())

    assert 0 < int(refused.value.headers["Retry-After"]) <= 3600
    assert AuditEntry.objects.filter(action=codes.FAILED, actor=alice.user).count() == codes.MOST_FAILED
