"""Adding a person from the command line."""

import re

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Membership


def test_an_added_person_signs_in_with_the_password_that_was_printed(alice, client, capsys):
    call_command("adduser", "Bob@example.org", name="bob", role="viewer")
    password = re.search(r"the password (\S+) and", capsys.readouterr().out)[1]

    response = client.post("/account/login/", {"login": "bob@example.org", "password": password})

    assert response.status_code == 302
    joined = Membership.objects.get(user__name="bob")
    assert (joined.team, joined.role) == (alice.team, "viewer")


@pytest.mark.parametrize(
    ("email", "sentence"),
    [("alice@example.org", "has an account already"), ("not an address", "is no e-mail address")],
)
def test_who_cannot_be_added_is_said_in_a_sentence(alice, email, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("adduser", email, name="bob")


def test_nobody_is_added_before_there_is_a_team(db):
    with pytest.raises(CommandError, match="There is no team yet"):
        call_command("adduser", "bob@example.org", name="bob")
