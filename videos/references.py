"""What a form calls a reference by, and the address that stands for it in a request: a file of ours, or a web address.

A form names an upload `up_…`, a file of one of the team's videos `vt_…/video.mp4` or `vt_…/last_frame.png`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from accounts.callers import Caller
from videos import cards, gallery, glances, links
from videos.models import Upload, VideoTask
from videos.modes import INPUTS

ROLES = {role: kind for kind, limits in INPUTS.items() for role in limits.roles}
ROLE_LABELS = {
    "first_frame": "First frame",
    "last_frame": "Last frame",
    "reference_image": "Reference image",
    "reference_video": "Reference video",
    "reference_audio": "Reference audio",
}
UPLOAD_SCHEME = "upload://"
MOST = sum(limits.most for limits in INPUTS.values())
OFFERED = 12
_FORMATS = {"mp4": "reference_video", "mov": "reference_video", "wav": "reference_audio", "mp3": "reference_audio"}
_UPLOAD = re.compile(r"up_[0-9A-Z]{26}")
_LINK = re.compile(rf"/m/(vt_[0-9A-Z]{{26}})/({links.VIDEO}|{links.LAST_FRAME})\?exp=")
_OF_CLIPS = {links.VIDEO: "", links.LAST_FRAME: "Last frame of "}


@dataclass(frozen=True, slots=True)
class Named:
    """A reference as a form shows it. `value` is what it calls it by, `error` what is wrong with it."""

    value: str
    role: str
    name: str
    facts: str = ""
    picture: str = ""
    error: str = ""


def role_for(value: str, given: Sequence[str], mode: str) -> str:
    """What a reference is most likely meant as, beside those that are given."""
    ending = urlsplit(value).path.rpartition(".")[2].lower() if "[" not in value else ""
    if role := _FORMATS.get(ending):
        return role
    return "first_frame" if mode == "i2v" and not given else "reference_image"


def address(caller: Caller, value: str, *, base_url: str) -> str:
    """As requests take it. What names nothing of the team's is left as it is, for the request to refuse."""
    if _UPLOAD.fullmatch(value):
        return UPLOAD_SCHEME + value
    name, _, file = value.partition("/")
    if name.startswith("vt_") and file in _OF_CLIPS and (task := _clip(caller, name)):
        return base_url + cards.link(task, file)
    return value


def value_of(url: str) -> str:
    """The way back from `address`."""
    if link := _LINK.search(url):
        return f"{link[1]}/{link[2]}"
    return url.removeprefix(UPLOAD_SCHEME)


def named(caller: Caller, pairs: Sequence[tuple[str, str]], errors: Mapping[int, str]) -> list[Named]:
    """At most one query for uploads, and one for each clip. `errors` are by the number of the reference."""
    ids = {_upload_id(value) for value, _ in pairs} - {""}
    found = Upload.objects.filter(team=caller.team, public_id__in=ids) if ids else ()
    uploads = {upload.public_id: upload for upload in found}
    return [
        replace(_named(caller, value, role, uploads), error=errors.get(number, ""))
        for number, (value, role) in enumerate(pairs)
    ]


def _upload_id(value: str) -> str:
    bare = value.removeprefix(UPLOAD_SCHEME)
    return bare if _UPLOAD.fullmatch(bare) else ""


def _named(caller: Caller, value: str, role: str, uploads: dict[str, Upload]) -> Named:
    if upload := uploads.get(_upload_id(value)):
        size = f"{upload.width} × {upload.height}, " if upload.width else ""
        return Named(value, role, upload.name, f"{size}uploaded")
    name, _, file = value.partition("/")
    if name.startswith("vt_") and file in _OF_CLIPS and (task := _clip(caller, name)):
        card = cards.card(task, person="")
        return Named(value, role, _OF_CLIPS[file] + card.title, "from the gallery", card.poster)
    if value.startswith("data:"):
        return Named(value, role, "A pasted file", value.partition(";")[0].removeprefix("data:"))
    parts = value.removeprefix("https://").removeprefix("http://")
    return Named(value, role, parts.rpartition("/")[2] or parts, value)


def _clip(caller: Caller, public_id: str) -> VideoTask | None:
    is_possible = len(public_id) <= 32 and public_id.isascii() and public_id.isprintable()
    found = gallery.of(caller.team).filter(public_id=public_id, state=VideoTask.State.SUCCEEDED)
    return found.select_related("media").first() if is_possible else None


def offered(caller: Caller) -> list[cards.Card]:
    """The newest clips whose files are kept."""
    stored = gallery.of(caller.team).filter(fetch=VideoTask.Fetch.STORED, state=VideoTask.State.SUCCEEDED)
    return cards.load(glances.read(stored.order_by("-pk")[:OFFERED]), people={})
