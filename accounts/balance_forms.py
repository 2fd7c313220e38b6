"""Forms that move a team's credit: granting, redeeming a code, correcting. Every sentence stands at its field."""

import secrets
from typing import Any

from django import forms

from accounts.team_forms import DollarsField

LONGEST_NOTE = 200


class _OnceForm(forms.Form):
    """Carries a key of its own, so that a form that is sent twice moves money once."""

    prefix_of_ids = ""
    key = forms.CharField(max_length=40, widget=forms.HiddenInput(), required=False)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, initial={"key": secrets.token_urlsafe(16)}, auto_id=f"id_{self.prefix_of_ids}_%s")

    def clean(self) -> dict[str, Any]:
        if not self.cleaned_data.get("key"):
            raise forms.ValidationError("This form came without its number. Open the page again and send it there.")
        return self.cleaned_data

    def with_a_new_key(self) -> None:
        """What was typed is another wish than the one sent before under this key."""
        self.data = {name: self.data[name] for name in self.data} | {"key": self.initial["key"]}


class GrantForm(_OnceForm):
    prefix_of_ids = "grant"
    amount = DollarsField(label="Amount")
    note = forms.CharField(
        label="Note",
        max_length=LONGEST_NOTE,
        help_text="Stands in the ledger, such as the number of an invoice.",
        error_messages={"required": "Say where the money comes from."},
    )


class CorrectionForm(_OnceForm):
    prefix_of_ids = "correct"
    direction = forms.ChoiceField(label="Credit", choices=[("add", "Add"), ("take", "Take away")])
    amount = DollarsField(label="Amount")
    note = forms.CharField(
        label="Which entry, and why",
        max_length=LONGEST_NOTE,
        error_messages={"required": "Say in a note what is corrected and why."},
    )

    @property
    def amount_nanousd(self) -> int:
        amount: int = self.cleaned_data["amount"]
        return -amount if self.cleaned_data["direction"] == "take" else amount


class RedeemForm(forms.Form):
    code = forms.CharField(
        label="Code",
        max_length=80,
        widget=forms.TextInput(
            {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "class": "code-input"}
        ),
        help_text="EM and 17 letters and digits. Case and dashes do not matter.",
        error_messages={"required": "Enter the code that you were given."},
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="id_redeem_%s")
