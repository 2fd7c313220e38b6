"""The form a video is asked for with. What it says becomes a request as the API takes it, so that the table in modes.py
and its reader decide alike for both; their sentences come back to the fields they are about.
"""

import re
import secrets
from collections.abc import Container, Mapping
from typing import Any

from django import forms

from accounts.callers import Caller
from accounts.refusals import BadRequest, NotFound
from upstream.frame_sizes import RESOLUTIONS
from videos import batches, references
from videos.modes import MODELS, MODES, PROMPT_CHARACTERS, SEEDANCE, STORYBOARD
from videos.references import ROLES, Named
from videos.requests import Asked

RATIOS = MODELS[SEEDANCE].ratios
STAND_IN = "…"  # for a prompt that is not written yet, where only the price is asked
_ITEM = re.compile(r"content\[(\d+)\]")
_NEEDS = {
    "i2v": ("image", "Add an image: this way starts from one."),
    "v2v": ("video", "Add a video: this way follows one."),
}


class VideoForm(forms.Form):
    """`initial` may hold "references", pairs of a value and a role."""

    mode = forms.ChoiceField(label="Mode", choices=[(mode.id, mode.name) for mode in MODES.values()], initial="t2v")
    prompt = forms.CharField(
        label="Prompt",
        max_length=PROMPT_CHARACTERS,
        widget=forms.Textarea({"rows": 5, "maxlength": None}),
        error_messages={"required": "Say what is to be seen."},
    )
    model = forms.MultipleChoiceField(
        label="Model",
        choices=[(model.id, model.name) for model in MODELS.values()],
        error_messages={"required": "Choose at least one model."},
    )
    resolution = forms.ChoiceField(label="Resolution", choices=[(each, each) for each in RESOLUTIONS], initial="720p")
    ratio = forms.ChoiceField(label="Ratio", choices=[(each, each.capitalize()) for each in RATIOS], initial="16:9")
    duration = forms.IntegerField(
        label="Duration",
        initial=5,
        error_messages=dict.fromkeys(("required", "invalid"), "Enter a whole number of seconds."),
    )
    seed = forms.CharField(label="Seed", required=False, max_length=20)
    generate_audio = forms.BooleanField(label="Sound", required=False, initial=True)
    return_last_frame = forms.BooleanField(label="Keep the last frame", required=False)
    takes = forms.IntegerField(
        label="Takes",
        initial=1,
        min_value=1,
        max_value=batches.MOST_TAKES,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"), f"Make 1 to {batches.MOST_TAKES} takes at once."
        ),
    )
    key = forms.CharField(max_length=64, widget=forms.HiddenInput())
    remix_of = forms.CharField(max_length=32, required=False, widget=forms.HiddenInput())

    def __init__(self, data: Any = None, *, initial: Mapping[str, Any] | None = None) -> None:
        given = {"key": secrets.token_urlsafe(16), "model": [SEEDANCE], **(initial or {})}
        super().__init__(data, initial=given)
        self.pairs: list[tuple[str, str]] = list(given.get("references", ())) if data is None else _pairs(data)
        self.reference_errors: dict[int, str] = {}
        self.references_error = ""

    @property
    def chosen_mode(self) -> str:
        mode = self["mode"].value()
        return mode if mode in MODES else "t2v"

    def change_references(self, *, add: str = "", drop: str = "") -> None:
        """Before the form is shown again."""
        if add and len(self.pairs) < references.MOST:
            self.pairs.append((add, references.role_for(add, [value for value, _ in self.pairs], self.chosen_mode)))
        if drop.isascii() and drop.isdigit() and int(drop) < len(self.pairs):
            del self.pairs[int(drop)]

    def named(self, caller: Caller) -> list[Named]:
        """The references as they are shown."""
        return references.named(caller, self.pairs, self.reference_errors)

    def read(self, caller: Caller, *, base_url: str, is_draft: bool = False, for_price: bool = False) -> list[Asked]:
        """What is asked for, once for each model; nothing where something is wrong, which then stands at its field.
        `is_draft` is as a storyboard first, `for_price` without needing a prompt yet."""
        self.full_clean()
        wrong = set(self.errors) - ({"prompt"} if for_price else set()) - ({"model", "takes"} if is_draft else set())
        if self._lacks() or wrong:
            return []
        try:
            return batches.read(self._body(caller, base_url), [STORYBOARD] if is_draft else self.cleaned_data["model"])
        except (BadRequest, NotFound) as refusal:
            self._put(refusal)
            return []

    @property
    def takes_wanted(self) -> int:
        takes: int = self.cleaned_data.get("takes") or 1
        return takes

    def problems(self) -> list[tuple[str, str]]:
        """What is to be mended, and the id of where."""
        found = [(str(self[name].label), self[name].auto_id) for name in self.errors if name in self.fields]
        if self.references_error or self.reference_errors:
            found.append(("References", "references"))
        return found

    def _lacks(self) -> bool:
        """A mode that needs a file and has none is said in this form's own words."""
        kind, sentence = _NEEDS.get(self.chosen_mode, ("", ""))
        kinds = {ROLES[role] for _, role in self.pairs}
        if kind and kind not in kinds:
            self.references_error = sentence
        elif self.chosen_mode == "i2v" and "video" in kinds:
            self.references_error = "A video belongs to “Video to video”. Choose that, or leave the video out."
        return bool(self.references_error)

    def _body(self, caller: Caller, base_url: str) -> dict[str, Any]:
        said = self.cleaned_data
        content: list[dict[str, Any]] = [{"type": "text", "text": said.get("prompt") or STAND_IN}]
        if said["mode"] != "t2v":
            content += [_item(references.address(caller, value, base_url=base_url), role) for value, role in self.pairs]
        seed = said["seed"].strip()
        return {
            "mode": said["mode"],
            "content": content,
            "resolution": said["resolution"],
            "ratio": said["ratio"],
            "duration": said["duration"],
            "generate_audio": said["generate_audio"],
            **({"seed": int(seed) if re.fullmatch(r"-?\d{1,15}", seed, re.ASCII) else seed} if seed else {}),
            **({"return_last_frame": True} if said["return_last_frame"] else {}),
        }

    def _put(self, refusal: BadRequest | NotFound) -> None:
        param = refusal.param or ""
        if item := _ITEM.match(param):
            number = int(item[1]) - 1
            if number >= 0:
                self.reference_errors[number] = refusal.detail.replace(f"'{param}'", "This")
                return
        field = "prompt" if param.startswith("content") else param
        if field in self.fields:
            self.add_error(field, refusal.detail.replace(f"'{param}'", str(self.fields[field].label)))
        else:
            self.add_error(None, refusal.detail)


def _pairs(data: Any) -> list[tuple[str, str]]:
    """The references that were there, and one that was typed and not added yet."""
    values, roles = data.getlist("reference"), data.getlist("role")
    typed = data.get("url", "").strip()
    given = [
        (value, roles[number] if number < len(roles) and roles[number] in ROLES else "reference_image")
        for number, value in enumerate(values[: references.MOST])
        if value
    ]
    if typed:
        role = references.role_for(typed, [value for value, _ in given], data.get("mode", ""))
        given.append((typed, role))
    return given


def _item(url: str, role: str) -> dict[str, Any]:
    kind = f"{ROLES[role]}_url"
    return {"type": kind, kind: {"url": url}, "role": role}


def shown_models(available: Container[str], hidden: Container[str]) -> list[dict[str, Any]]:
    """Those to choose from, and whether a provider of the team's offers them. None that an admin has hidden."""
    return [
        {
            "id": model.id,
            "name": model.name,
            "about": model.about,
            "is_available": model.id in available,
            "is_storyboard": model.id == STORYBOARD,
            "seconds": f"{model.shortest_s}–{model.longest_s} s",
            "resolutions": ", ".join(model.resolutions),
        }
        for model in MODELS.values()
        if model.id not in hidden
    ]
