"""Forms about people and their keys."""

from django import forms
from django.contrib.auth.password_validation import validate_password


class SignupExtras(forms.Form):
    """What we ask at open sign-up beside the e-mail and password that allauth asks for."""

    name = forms.CharField(label="Your name", max_length=80)
    team_name = forms.CharField(label="Team name", max_length=80)
    field_order = ["name", "email", "password1", "team_name"]

    def signup(self, request: object, user: object) -> None:
        """allauth requires this; everything is done in AccountAdapter.save_user, in one transaction."""


class FirstRunForm(forms.Form):
    name = forms.CharField(label="Your name", max_length=80, widget=forms.TextInput({"autocomplete": "name"}))
    email = forms.EmailField(label="E-mail", max_length=254, widget=forms.EmailInput({"autocomplete": "email"}))
    password = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text="At least 10 characters.",
    )
    team_name = forms.CharField(
        label="Team name", max_length=80, widget=forms.TextInput({"autocomplete": "organization"})
    )

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password


class AccessKeyForm(forms.Form):
    name = forms.CharField(label="Name", max_length=80, help_text="What will use it, such as ci-nightly.")
