"""Forms about people: the first owner, and those who sign up."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password

from accounts.models import User

PASSWORD_HELP = "At least 10 characters."


class SignupExtras(forms.Form):
    """What we ask at open sign-up beside the e-mail and password that allauth asks for."""

    name = forms.CharField(label="Your name", max_length=80, widget=forms.TextInput({"autocomplete": "name"}))
    team_name = forms.CharField(
        label="Team name", max_length=80, widget=forms.TextInput({"autocomplete": "organization"})
    )
    field_order = ["name", "email", "password1", "team_name"]

    def signup(self, request: object, user: object) -> None:
        """allauth requires this; everything is done in AccountAdapter.save_user, in one transaction."""


class FirstRunForm(forms.Form):
    name = forms.CharField(label="Your name", max_length=80, widget=forms.TextInput({"autocomplete": "name"}))
    email = forms.EmailField(label="E-mail", max_length=254, widget=forms.EmailInput({"autocomplete": "email"}))
    password = forms.CharField(
        label="Password",
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=PASSWORD_HELP,
    )
    team_name = forms.CharField(
        label="Team name", max_length=80, widget=forms.TextInput({"autocomplete": "organization"})
    )

    def clean(self) -> dict[str, Any]:
        """The password is judged last, since one that resembles the name or the e-mail is refused."""
        answers = self.cleaned_data
        if "password" in answers:
            owner = User(name=answers.get("name", ""), email=answers.get("email", ""))
            try:
                validate_password(answers["password"], owner)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return answers
