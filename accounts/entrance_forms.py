"""allauth's forms without the words that would repeat our labels, and with our own about a new password."""

from typing import Any

from allauth.account import forms

from accounts.forms import PASSWORD_HELP


class _Ours:
    fields: dict[str, Any]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
        if "password1" in self.fields:
            self.fields["password1"].help_text = PASSWORD_HELP


class LoginForm(_Ours, forms.LoginForm):
    """Signing in."""


class SignupForm(_Ours, forms.SignupForm):
    """Open sign-up."""


class ChangePasswordForm(_Ours, forms.ChangePasswordForm):
    """A new password by the old one."""


class ResetPasswordForm(_Ours, forms.ResetPasswordForm):
    """Asking for a link by mail."""


class ResetPasswordKeyForm(_Ours, forms.ResetPasswordKeyForm):
    """A new password by that link."""
