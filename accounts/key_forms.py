"""Forms about access keys. Every sentence stands at its field, and what was typed is kept."""

from datetime import timedelta
from typing import Any

from django import forms

from accounts import key_list, keys
from accounts.keys import Limits
from accounts.models import AccessKey, Budget, Team
from accounts.money import decimal_dollars
from accounts.refusals import BadRequest
from accounts.team_forms import DollarsField, LastDayField, end

WINDOWS = (("month", "a month"), ("week", "a week"), ("day", "a day"), ("total", "in all"))
OVERLAPS = (
    ("0", "At once: the old key is refused from now on"),
    ("15", "In 15 minutes"),
    ("60", "In an hour"),
    ("1440", "In a day"),
    ("4320", "In 3 days"),
    ("10080", "In 7 days"),
)
USUAL_OVERLAP = "1440"


class CountField(forms.IntegerField):
    """A whole number from 1, or nothing for no limit."""

    def __init__(self, *, most: int, **more: Any) -> None:
        sentence = f"Enter a whole number from 1 to {most:,}, or nothing for no limit."
        super().__init__(
            min_value=1,
            max_value=most,
            required=False,
            widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "off", "placeholder": "No limit"}),
            error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), sentence),
            **more,
        )


class AccessKeyForm(forms.Form):
    """A name is enough. With `key` it changes that one; `owners` are those whom one may make a key for."""

    name = forms.CharField(
        label="Name",
        max_length=80,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
        help_text="What will use it, such as ci-nightly.",
    )
    owner = forms.ChoiceField(label="Owner", required=False)
    spend = DollarsField(label="Spend at most", required=False, least=0)
    window = forms.ChoiceField(label="Each", choices=WINDOWS, required=False)
    requests_per_minute = CountField(label="Requests a minute", most=keys.MOST["requests_per_minute"])
    tokens_per_minute = CountField(label="Tokens a minute", most=keys.MOST["tokens_per_minute"])
    concurrent_requests = CountField(label="Requests at once", most=keys.MOST["concurrent_requests"])
    expires_at = LastDayField(label="Last day", required=False)
    may_call = forms.ChoiceField(
        label="May call",
        choices=(("all", "All models"), ("some", "Only these")),
        initial="all",
        required=False,
        widget=forms.RadioSelect,
    )
    allowed_models = forms.MultipleChoiceField(
        label="Models",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "There is no model %(value)s here any more. Choose among these."},
    )

    def __init__(
        self,
        data: Any = None,
        *,
        models: list[str],
        owners: list[tuple[int, str]] = [],  # noqa: B006  # only read
        key: AccessKey | None = None,
    ) -> None:
        super().__init__(data, initial=_initial(key) if key else None, auto_id="key_%s")
        kept = (key.allowed_models if key else None) or []
        offered = sorted({*models, *kept})
        self.fields["allowed_models"].choices = [(model_id, model_id) for model_id in offered]  # type: ignore[attr-defined]
        people = [(str(number), name) for number, name in owners]
        if len(people) > 1:
            self.fields["owner"].choices = people  # type: ignore[attr-defined]
        else:
            del self.fields["owner"]
        if not offered:
            del self.fields["may_call"], self.fields["allowed_models"]

    def clean(self) -> dict[str, Any]:
        answers = self.cleaned_data
        chosen = answers.get("allowed_models") or []
        is_empty = answers.get("may_call") == "some" and not chosen
        if is_empty and "allowed_models" in self.fields and "allowed_models" not in self.errors:
            self.add_error("allowed_models", "Choose at least one model, or let the key call all of them.")
        return answers

    @property
    def unfolds(self) -> bool:
        """Whether a limit was typed, or something is wrong with one."""
        typed = ("spend", "requests_per_minute", "tokens_per_minute", "concurrent_requests", "expires_at")
        is_typed = any(self.data.get(name) for name in typed) or self.data.get("may_call") == "some"
        return is_typed or bool(self.errors.keys() - {"name", "__all__"})

    @property
    def owner_id(self) -> int | None:
        return int(self.cleaned_data["owner"]) if self.cleaned_data.get("owner") else None

    def limits(self, team: Team) -> Limits:
        """Raises BadRequest for a day that no calendar goes beyond."""
        answers = self.cleaned_data
        try:
            expires_at = end(answers["expires_at"], team)
        except BadRequest:
            raise BadRequest("Choose an earlier day, or none for a key without an end.", param="expires_at") from None
        return Limits(
            allowed_models=answers["allowed_models"] if answers.get("may_call") == "some" else None,
            requests_per_minute=answers["requests_per_minute"],
            tokens_per_minute=answers["tokens_per_minute"],
            concurrent_requests=answers["concurrent_requests"],
            expires_at=expires_at,
            spend_nanousd=answers["spend"],
            spend_window=Budget.Window(answers["window"] or Budget.Window.MONTH),
        )


def _initial(key: AccessKey) -> dict[str, Any]:
    found = key_list.as_set(key)
    spend = found.pop("spend_nanousd")
    return found | {
        "spend": "" if spend is None else decimal_dollars(spend),
        "expires_at": found["last_day"],
        "may_call": "all" if found["allowed_models"] is None else "some",
    }


class RotateForm(forms.Form):
    overlap = forms.ChoiceField(
        label="The old key ends",
        choices=OVERLAPS,
        initial=USUAL_OVERLAP,
        error_messages={
            "required": "Say when the old key ends.",
            "invalid_choice": "Choose when the old key ends: at once, or within 7 days.",
        },
    )

    @property
    def old_one_lasts(self) -> timedelta:
        return timedelta(minutes=int(self.cleaned_data["overlap"]))
