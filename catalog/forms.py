"""The forms that connect a provider and replace its key: what they ask, and every sentence about an address or key that
cannot work.

What only the provider can say, such as that it does not know the key, `views/providers.py` adds to the field at fault.
"""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django import forms

from accounts.models import Provider
from upstream.models import is_id

DEFAULT_ADDRESS = "https://emma18.com/api/v1"
LONGEST_KEY = 500
MOST_BY_HAND = 200
_KINDS = [
    (kind.value, kind.label) for kind in (Provider.Kind.EMMA18, Provider.Kind.OPENAI_COMPATIBLE, Provider.Kind.ARK)
]
_SPACE_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]")
_ROUTE = re.compile(r"/(chat/completions|completions|models|embeddings|responses)$")


class ConnectForm(forms.Form):
    """Cleaned: kind, name, base_url without a slash at its end, api_key and models_by_hand, all as `sync.connect` takes
    them."""

    kind = forms.ChoiceField(label="Kind", choices=_KINDS, initial=Provider.Kind.EMMA18.value)
    name = forms.CharField(
        label="Name",
        max_length=80,
        required=False,
        help_text="How your team calls it. Without one it takes the name of its host.",
    )
    base_url = forms.CharField(
        label="Base URL",
        max_length=500,
        initial=DEFAULT_ADDRESS,
        widget=forms.TextInput({"inputmode": "url", "spellcheck": "false", "autocapitalize": "off"}),
        error_messages={"required": "Enter the provider's base URL, such as https://api.example.org/v1."},
    )
    # A browser's password manager must not offer the person's own password here, nor keep this.
    api_key = forms.CharField(
        label="Key",
        required=False,
        widget=forms.PasswordInput({"autocomplete": "new-password", "spellcheck": "false"}),
        help_text="Stored sealed, never shown again. A server of your own may need none.",
    )

    models_by_hand = forms.CharField(
        label="Models",
        max_length=20_000,
        required=False,
        widget=forms.Textarea({"rows": 3, "spellcheck": "false", "autocapitalize": "off"}),
        help_text="Their ids, one a line. Used only where the server lists none itself.",
    )

    def __init__(self, data: Any = None, **more: Any) -> None:
        super().__init__(data, **more)
        _say_key_is_gone(self)

    def clean_base_url(self) -> str:
        """Nobody's key for another provider may go to EMMA18 because its address was left standing in the field."""
        address = checked_address(self.cleaned_data["base_url"])
        is_emma18 = urlsplit(address).hostname == urlsplit(DEFAULT_ADDRESS).hostname
        if is_emma18 and self.cleaned_data.get("kind") != Provider.Kind.EMMA18:
            raise forms.ValidationError("This is EMMA18's address. Choose EMMA18 above, or enter your provider's.")
        return address

    def clean_api_key(self) -> str:
        key: str = self.cleaned_data["api_key"]
        if not key and self.data.get("kind") == Provider.Kind.EMMA18:
            raise forms.ValidationError("Enter the key EMMA18 gave you. It begins with sk-.")
        if not key and self.data.get("kind") == Provider.Kind.ARK:
            raise forms.ValidationError("Enter an API key of Ark. Its address ends in /api/v3.")
        return checked_key(key)

    def clean_models_by_hand(self) -> list[str]:
        ids = list(dict.fromkeys(filter(None, map(str.strip, self.cleaned_data["models_by_hand"].splitlines()))))
        if wrong := next((id for id in ids if not is_id(id)), ""):
            raise forms.ValidationError(f"“{wrong[:60]}” is no model's id: one a line, without spaces.")
        if len(ids) > MOST_BY_HAND:
            raise forms.ValidationError(f"At most {MOST_BY_HAND} models can be entered by hand.")
        return ids

    def clean(self) -> dict[str, object]:
        if not self.cleaned_data.get("name") and "base_url" in self.cleaned_data:
            # With its port: several servers of one's own share a host.
            self.cleaned_data["name"] = urlsplit(self.cleaned_data["base_url"]).netloc.lower().rstrip(":")[:80]
        return self.cleaned_data


def _say_key_is_gone(form: forms.Form) -> None:
    """A form that was sent is only shown again without the key that was in it."""
    if form.data.get("api_key"):
        form.fields["api_key"].help_text = "Paste the key again: it is never sent back."


def checked_address(text: str) -> str:
    """A base URL without a slash at its end. Raises ValidationError with what to change."""
    if _SPACE_OR_CONTROL.search(text):
        raise forms.ValidationError("The base URL holds a space or an invisible character. Take it out.")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise forms.ValidationError("The host or port of this base URL cannot be read. Check it for typos.") from None
    if parts.scheme not in ("http", "https"):
        raise forms.ValidationError("Begin the base URL with https://, or http:// for a server of your own.")
    if not host:
        raise forms.ValidationError("This base URL names no host. It should look like https://api.example.org/v1.")
    if parts.username is not None or parts.password is not None:
        raise forms.ValidationError("Leave the user name and password out of the base URL. The key has its own field.")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise forms.ValidationError("Leave out everything from the ? or # on.")
    address = text.rstrip("/")
    if route := _ROUTE.search(address):
        raise forms.ValidationError(f"End the base URL before {route[0]}. What is called below it is added by itself.")
    return address


def checked_key(key: str) -> str:
    """A key as it can be sent. Raises ValidationError with what to change, and never shows it."""
    if len(key) > LONGEST_KEY:
        raise forms.ValidationError(f"This is longer than any key: at most {LONGEST_KEY} characters fit.")
    if _SPACE_OR_CONTROL.search(key):
        raise forms.ValidationError(
            "The key holds a space or an invisible character. Copy the key alone, without a word before it."
        )
    if not key.isascii():
        raise forms.ValidationError("The key holds a character that cannot be sent. Copy it again from its source.")
    return key


OVERLAPS = (
    ("0", "Destroy it at once"),
    ("60", "Keep it an hour"),
    ("1440", "Keep it a day"),
    ("10080", "Keep it 7 days"),
)


class RotateProviderForm(forms.Form):
    """Cleaned: base_url, api_key and overlap as `sync.rotate` takes them. Bound to the provider as it is now."""

    api_key = forms.CharField(
        label="New key",
        required=False,
        widget=forms.PasswordInput({"autocomplete": "new-password", "spellcheck": "false"}),
    )
    base_url = forms.CharField(
        label="Base URL",
        max_length=500,
        widget=forms.TextInput({"inputmode": "url", "spellcheck": "false", "autocapitalize": "off"}),
        help_text="A key is only ever sent to the address it was entered for: at a new one the old key ends.",
        error_messages={"required": "Enter the provider's base URL."},
    )
    overlap = forms.ChoiceField(
        label="The old key",
        choices=OVERLAPS,
        initial="1440",
        required=False,
        help_text="While it is kept, it is used again should the provider refuse the new one.",
        error_messages={"invalid_choice": "Choose how long the old key is kept: not at all, or up to 7 days."},
    )

    def __init__(self, data: Any = None, *, provider: Provider) -> None:
        super().__init__(data, initial={"base_url": provider.base_url}, auto_id="rotate_%s")
        _say_key_is_gone(self)
        self._provider = provider
        if not provider.key_sealed:
            del self.fields["overlap"]

    def clean_base_url(self) -> str:
        return checked_address(self.cleaned_data["base_url"])

    def clean_api_key(self) -> str:
        return checked_key(self.cleaned_data["api_key"])

    def clean(self) -> dict[str, Any]:
        answers = self.cleaned_data
        has_moved = answers.get("base_url", self._provider.base_url) != self._provider.base_url
        if answers.get("api_key") == "" and self._provider.key_sealed:
            self.add_error("api_key", _KEY_AGAIN if has_moved else "Enter the new key.")
        elif answers.get("api_key") == "" and not has_moved:
            self.add_error("api_key", "Enter a key, or another base URL.")
        answers["overlap"] = timedelta(minutes=int(answers.get("overlap") or 0))
        return answers


_KEY_AGAIN = "Enter the key again: the stored one is only sent to the address it was entered for."
