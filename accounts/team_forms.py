"""Forms about the limits of a team: asking for more, answering, setting budgets. Every sentence stands at its field."""

from datetime import date, datetime
from typing import Any
from zoneinfo import available_timezones

from django import forms

from accounts import money, raises
from accounts.models import Budget, MoneyRequest, Team
from accounts.refusals import BadRequest


class DollarsField(forms.CharField):
    """Cleaned: whole nano-dollars, or None where it may be empty and is."""

    def __init__(self, *, least: int = 1, **more: Any) -> None:
        self.least = least
        widget = forms.TextInput({"inputmode": "decimal", "autocomplete": "off", "spellcheck": "false"})
        messages = {"required": "Enter an amount in dollars, such as 5.00."}
        super().__init__(max_length=40, widget=widget, error_messages=messages, **more)

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return money.from_dollars(text, least=self.least)
        except BadRequest as refusal:
            raise forms.ValidationError(refusal.detail) from None


class LastDayField(forms.DateField):
    """The last day of a raise. Cleaned: a date; `end` makes it the moment the day is over by the team's clock."""

    def __init__(self, **more: Any) -> None:
        sentence = "Choose a day, such as 2026-11-30."
        super().__init__(
            widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
            error_messages={"required": sentence, "invalid": sentence},
            **more,
        )


def end(day: date | None, team: Team) -> datetime | None:
    return None if day is None else raises.end_of(day, team)


def refuse(form: forms.Form, refusal: BadRequest) -> None:
    """Put a sentence of the domain at its field, or above the form."""
    form.add_error(refusal.param if refusal.param in form.fields else None, refusal.detail)


class AskForm(forms.Form):
    """For more of one of the limits that are `short`: pairs of a budget's number or credit, and what it is called."""

    limit = forms.ChoiceField(label="Of which limit")
    amount = DollarsField(label="Amount")
    until = LastDayField(label="Until, that day included")
    reason = forms.CharField(
        label="Why",
        max_length=raises.LONGEST_TEXT,
        widget=forms.Textarea({"rows": 3}),
        error_messages={"required": "Say in a sentence what it is for."},
    )

    def __init__(self, *args: Any, short: list[tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["limit"].choices = short  # type: ignore[attr-defined]
        if all(key == "credit" for key, _ in short):  # which has no end
            del self.fields["until"]
        if len(short) == 1:
            self.fields["limit"].widget = forms.HiddenInput()
            self.initial.setdefault("limit", short[0][0])

    @property
    def budget_id(self) -> int | None:
        limit = self.cleaned_data["limit"]
        return None if limit == "credit" else int(limit)


class AnswerForm(forms.Form):
    """An admin's answer: how much and until when, or why not."""

    amount = DollarsField(label="Amount")
    until = LastDayField(label="Until")
    answer = forms.CharField(label="A word to them", max_length=raises.LONGEST_TEXT, required=False)

    def __init__(self, data: Any = None, *, asked: MoneyRequest) -> None:
        super().__init__(data, initial=raises.as_asked(asked), auto_id=f"id_%s_{asked.public_id}")
        if raises.is_for_credit(asked):
            del self.fields["until"]


class BudgetForm(forms.Form):
    """`subject` is team, model or the number of a member."""

    subject = forms.ChoiceField(label="For")
    model_id = forms.CharField(
        label="Model",
        max_length=200,
        required=False,
        widget=forms.TextInput({"spellcheck": "false", "autocapitalize": "off"}),
        help_text="Its id, such as deepseek/deepseek-chat, or another name that it is called by.",
    )
    window = forms.ChoiceField(label="Each", choices=[], initial=Budget.Window.MONTH.value)
    hard = DollarsField(label="Limit", required=False, least=0)
    soft = DollarsField(label="Warn at", required=False, least=0)

    _WINDOWS = (("month", "Month"), ("week", "Week"), ("day", "Day"), ("total", "In all, without an end"))

    def __init__(self, *args: Any, members: list[tuple[int, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        people = [(str(number), name) for number, name in members]
        groups = [("team", "The whole team"), ("model", "One model"), ("Members", people)]
        self.fields["subject"].choices = groups  # type: ignore[attr-defined]
        self.fields["window"].choices = self._WINDOWS  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        answers = self.cleaned_data
        if answers.get("subject") == "model" and not answers.get("model_id"):
            self.add_error("model_id", "Enter the id of the model, or another name that callers have for it.")
        if not self.errors and answers["hard"] is None and answers["soft"] is None:
            self.add_error("hard", "Enter a limit, an amount to warn at, or both.")
        if not self.errors and None not in (answers["hard"], answers["soft"]) and answers["soft"] > answers["hard"]:
            self.add_error("soft", "Nobody would be warned: this is beyond the limit.")
        return answers


class TimeZoneForm(forms.Form):
    time_zone = forms.ChoiceField(
        label="Time zone",
        help_text="In which the team's days, weeks and months begin.",
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        names = sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
        self.fields["time_zone"].choices = [(name, name) for name in ["UTC", *names]]  # type: ignore[attr-defined]
