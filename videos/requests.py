"""What a caller may ask for: reading both ways of saying it, the flat one and Ark's `content`, and refusing the rest.

Checks against the table in modes.py. Knows no team, no provider and no price. Fetches nothing: whether an address leads
to a fitting file is found out by whoever makes the clip.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, NoReturn
from urllib.parse import urlsplit

from accounts.bodies import read_object
from accounts.refusals import BadRequest, NotFound
from upstream import egress
from videos import modes, offers
from videos.modes import ALIASES, FIELDS, INPUTS, MODELS, MODES, SETTINGS
from videos.specs import Reference, Spec

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DATA_HEAD = re.compile(r"data:(image|video|audio)/[\w.+-]{1,60}(;[\w=.-]{1,60})*;base64", re.IGNORECASE)
_UPLOAD = re.compile(r"upload://up_[0-9A-Z]{26}")
_ASSET = re.compile(r"asset://[\w./-]{1,200}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be submitted. `fingerprint` is the same for the same fields, in whatever order they came."""

    spec: Spec
    callback_url: str
    metadata: dict[str, str]
    fingerprint: str


def parse(raw: bytes) -> Asked:
    """Raises BadRequest with `param`, or NotFound for an unknown model."""
    return read(read_object(raw, with_fields="'prompt' and 'model'"))


def read(body: dict[str, Any]) -> Asked:
    """The same for a body that is an object already, such as a form's."""
    fingerprint = hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    _check_names(body)
    body = {ALIASES.get(name, name): value for name, value in body.items() if value is not None}
    model = MODELS.get(offers.named(str(body.get("model", modes.DEFAULT_MODEL))) or "")
    if model is None:
        raise NotFound(
            f"There is no video model {str(body['model'])[:100]!r} here. There is {', '.join(MODELS)}.",
            code="model_not_found",
            param="model",
        )
    prompt, references, names = _from_content(body) if "content" in body else _from_flat(body)
    if not prompt.strip():
        _refuse("prompt", "Say in 'prompt' what is to be seen.")
    mode = _mode(body.get("mode"), references, names)
    _check_scene(references, names)
    return Asked(
        spec=Spec(
            mode=mode,
            model=model.id,
            prompt=prompt,
            references=tuple(references),
            resolution=_choice(body, "resolution", model.resolutions, modes.DEFAULT_RESOLUTION, model.name),
            ratio=_choice(body, "ratio", model.ratios, modes.ADAPTIVE, model.name),
            duration=_duration(body, model),
            settings={name: _setting(name, body[name]) for name in SETTINGS if name in body},
        ),
        callback_url=_callback_url(body.get("callback_url", "")),
        metadata=_metadata(body.get("metadata", {})),
        fingerprint=fingerprint,
    )


def _refuse(param: str, sentence: str) -> NoReturn:
    raise BadRequest(sentence, code="invalid_parameter", param=param)


def _check_names(body: dict[str, Any]) -> None:
    if body.get("n") not in (None, 1):
        _refuse("n", "One task makes one clip. Send another request for another take.")
    unknown = [name for name in body if name not in FIELDS and name != "n"]
    if unknown:
        named = ", ".join(repr(name[:64]) for name in unknown[:5])
        raise BadRequest(
            f"{named} {'is no field' if len(unknown) == 1 else 'are no fields'} of a video task. "
            "GET /api/v1/video/seedance/modes lists them all.",
            code="unknown_parameter",
            param=unknown[0][:64],
        )
    for alias, name in ALIASES.items():
        if body.get(alias) is not None and body.get(name) is not None:
            _refuse(alias, f"{alias!r} is another name of {name!r}. Send one of them.")
    both = sorted(modes.FLAT_FIELDS & {name for name, value in body.items() if value is not None})
    if body.get("content") is not None and both:
        _refuse("content", f"Say it in 'content' or in {both[0]!r}, not in both.")


# References: a list of them, and for each the field it came in, to name in a refusal.
type Found = tuple[str, list[Reference], list[str]]


def _from_flat(body: dict[str, Any]) -> Found:
    references, names = [], []

    def add(kind: str, role: str, name: str, url: object) -> None:
        references.append(Reference(kind, role, _address(url, kind, name)))
        names.append(name)

    images = _listed(body, "image_url", "image_urls")
    videos = _listed(body, "video_url", "video_urls")
    sounds = _listed(body, "audio_url", "audio_urls")
    for kind, found in (("image", images), ("video", videos), ("audio", sounds)):
        if len(found) > INPUTS[kind].most:
            _too_many(kind, len(found), found[-1][0])
    role = body.get("image_role")
    if role not in (None, "first_frame", "reference_image"):
        _refuse("image_role", "'image_role' must be first_frame or reference_image.")
    if role and not images:
        _refuse("image_role", "'image_role' says what 'image_url' is for. Send an image, or leave it out.")
    last = body.get("last_image_url")
    is_alone = len(images) == 1 and not videos and not sounds
    default = "first_frame" if is_alone or last is not None else "reference_image"
    for name, url in images:
        add("image", role or default, name, url)
    if last is not None:
        add("image", "last_frame", "last_image_url", last)
    for name, url in videos:
        add("video", "reference_video", name, url)
    for name, url in sounds:
        add("audio", "reference_audio", name, url)
    return _text(body.get("prompt", ""), "prompt"), references, names


def _listed(body: dict[str, Any], one: str, many: str) -> list[tuple[str, object]]:
    """What stands in the singular field and in the plural, with the name of each one's field."""
    single, several = body.get(one), body.get(many)
    if single is not None and several is not None:
        _refuse(many, f"Send {one!r} or {many!r}, not both.")
    if several is None:
        return [] if single is None else [(one, single)]
    if not isinstance(several, list) or not several:
        _refuse(many, f"{many!r} must be a list of addresses.")
    return [(many, url) for url in several]


def _from_content(body: dict[str, Any]) -> Found:
    items = body["content"]
    if not isinstance(items, list) or not items:
        _refuse("content", "'content' must be a list of what the clip is made from.")
    texts, references, names = [], [], []
    for index, item in enumerate(items):
        name = f"content[{index}]"
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "text":
            texts.append(_text(item.get("text"), f"{name}.text"))
            continue
        if kind not in ("image_url", "video_url", "audio_url"):
            _refuse(name, f"'{name}' must have the type text, image_url, video_url or audio_url.")
        file = item.get(kind)
        url = file.get("url") if isinstance(file, dict) else file
        references.append(Reference(kind[:5], item.get("role") or "", _address(url, kind[:5], name)))
        names.append(name)
    images = [reference for reference in references if reference.kind == "image"]
    usual = "first_frame" if len(images) == len(references) == 1 else "reference_image"
    for index, reference in enumerate(references):
        limits = INPUTS[reference.kind]
        role = reference.role or (usual if reference.kind == "image" else limits.roles[0])
        if role not in limits.roles:
            _refuse(names[index], f"The role of '{names[index]}' must be {' or '.join(limits.roles)}.")
        references[index] = Reference(reference.kind, role, reference.url)
    for kind in INPUTS:
        many = [name for reference, name in zip(references, names, strict=True) if reference.kind == kind]
        if len(many) > INPUTS[kind].most:
            _too_many(kind, len(many), many[-1])
    prompt = "\n".join(texts)
    return _text(prompt, "content"), references, names


def _too_many(kind: str, count: int, param: str) -> NoReturn:
    _refuse(param, f"{count} {kind} references are more than the {INPUTS[kind].most} that a task may have.")


def _mode(asked: object, references: list[Reference], names: list[str]) -> str:
    given = {reference.kind for reference in references}
    fits = "v2v" if "video" in given else "i2v" if "image" in given else "t2v"
    if fits == "t2v" and "audio" in given:
        _refuse(names[-1], "Audio cannot be the only reference. Add an image or a video, or leave the audio out.")
    if asked is None or asked == fits:
        return fits
    if not isinstance(asked, str) or asked not in MODES:
        _refuse("mode", f"'mode' must be one of {', '.join(MODES)}.")
    mode = MODES[asked]
    missing = {"i2v": "image", "v2v": "video"}.get(asked)
    if missing and missing not in given:
        _refuse(f"{missing}_url", f"The mode {asked} ({mode.name.lower()}) needs '{missing}_url'.")
    extra = names[next(i for i, reference in enumerate(references) if reference.kind not in mode.inputs)]
    _refuse(extra, f"The mode {asked} ({mode.name.lower()}) takes no '{extra}'. Leave it out, or send the mode {fits}.")


def _check_scene(references: list[Reference], names: list[str]) -> None:
    """First frame, first and last frame, and references are three scenes that cannot be mixed."""
    roles = [reference.role for reference in references]
    framed = [index for index, role in enumerate(roles) if role in ("first_frame", "last_frame")]
    if not framed:
        return
    if len(framed) != len(roles):
        _refuse(
            names[framed[0]],
            "A first or last frame cannot be mixed with other references. Send the image as a reference_image, or "
            "leave the others out.",
        )
    for role in ("first_frame", "last_frame"):
        if roles.count(role) > 1:
            _refuse(names[roles.index(role)], f"There can be one {role} only.")
    if "first_frame" not in roles:
        _refuse(names[0], "A last frame needs a first one: send 'image_url' too.")


def _text(value: object, param: str) -> str:
    if not isinstance(value, str):
        _refuse(param, f"'{param}' must be text.")
    if len(value) > modes.PROMPT_CHARACTERS:
        _refuse(param, f"'{param}' is longer than {modes.PROMPT_CHARACTERS:,} characters.")
    if _UNSTORABLE.search(value):
        _refuse(param, f"'{param}' holds an invisible character that cannot be kept. Remove it.")
    return value


def _address(url: object, kind: str, param: str) -> str:
    if not isinstance(url, str) or not url:
        _refuse(param, f"'{param}' must be the address of {_an(kind)} file.")
    if url[:5].lower() == "data:":
        return _data_url(url, kind, param)
    if url.startswith("upload://"):  # whose it is, is looked at by uploads.py
        return url if _UPLOAD.fullmatch(url) else _refuse(param, f"'{param}' is no upload's address.")
    if url.startswith("asset://"):
        return url if _ASSET.fullmatch(url) else _refuse(param, f"'{param}' is no asset's address.")
    return _web_address(url, param, f"'{param}' must be an http(s) or data: address of {_an(kind)} file.")


def _an(kind: str) -> str:
    return f"a {kind}" if kind == "video" else f"an {kind}"


def _data_url(url: str, kind: str, param: str) -> str:
    head, comma, encoded = url.partition(",")
    declared = _DATA_HEAD.fullmatch(head)
    if not comma or declared is None:
        _refuse(param, f"The data: address in '{param}' must begin with data:{kind}/…;base64,")
    if declared[1].lower() != kind:
        _refuse(param, f"'{param}' takes {_an(kind)} file. This data: address says it is {declared[1].lower()}.")
    most_mb = INPUTS[kind].most_mb
    if len(encoded) * 3 // 4 > most_mb << 20:
        _refuse(param, f"The file in '{param}' is larger than {most_mb} MB, the most for {_an(kind)}.")
    if not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", encoded) or len(encoded) % 4:
        _refuse(param, f"What follows the comma in '{param}' is not base64.")
    return url


def _web_address(url: str, param: str, otherwise: str) -> str:
    if len(url) > modes.URL_CHARACTERS:
        _refuse(param, f"The address in '{param}' is longer than {modes.URL_CHARACTERS:,} characters.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[\x21-\x7e\xa1-\uffff]+", url):
        _refuse(param, otherwise)
    if parts.username or parts.password:
        _refuse(param, f"The address in '{param}' must not hold a user or password.")
    if _is_private(host, parts.port or (443 if parts.scheme == "https" else 80)):
        _refuse(
            param,
            f"The address in '{param}' leads to a private network, where nobody else can fetch it. Use a public "
            "one, or send the file itself.",
        )
    return url


def _is_private(host: str, port: int) -> bool:
    """Whether a host's very name says that it cannot be called. What a name resolves to is judged when it is called."""
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host.replace(".", "").isdigit() or host.lower().startswith("0x")  # 2130706433 and 127.1
    return not egress.may_connect(str(address), port)


def _callback_url(url: object) -> str:
    if url == "":
        return ""
    if not isinstance(url, str):
        _refuse("callback_url", "'callback_url' must be an http(s) address.")
    return _web_address(url, "callback_url", "'callback_url' must be an http(s) address.")


def _metadata(pairs: object) -> dict[str, str]:
    most, longest_key, longest = modes.METADATA_PAIRS, modes.METADATA_KEY, modes.METADATA_VALUE
    if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
        _refuse("metadata", "'metadata' must be an object of texts.")
    if len(pairs) > most or any(len(key) > longest_key or len(value) > longest for key, value in pairs.items()):
        _refuse(
            "metadata",
            f"'metadata' takes at most {most} pairs, names of {longest_key} and texts of {longest} characters.",
        )
    if any(_UNSTORABLE.search(key + value) for key, value in pairs.items()):
        _refuse("metadata", "'metadata' holds an invisible character that cannot be kept. Remove it.")
    return pairs


def _choice(body: dict[str, Any], name: str, choices: tuple[str, ...], usual: str, model: str) -> str:
    value = body.get(name, usual)
    if value not in choices:
        _refuse(name, f"'{name}' of {model} must be one of {', '.join(choices)}.")
    return str(value)


def _duration(body: dict[str, Any], model: modes.VideoModel) -> int:
    value = body.get("duration", model.usual_s)
    if type(value) is not int or not (value == modes.AUTO_S or model.shortest_s <= value <= model.longest_s):
        _refuse(
            "duration",
            f"'duration' of {model.name} must be a whole number of seconds from {model.shortest_s} to "
            f"{model.longest_s}, or {modes.AUTO_S} to let the model choose.",
        )
    return value


def _setting(name: str, value: Any) -> Any:
    setting = SETTINGS[name]
    match setting.kind:
        case "flag":
            if not isinstance(value, bool):
                _refuse(name, f"'{name}' must be true or false.")
        case "whole":
            if type(value) is not int or not setting.least <= value <= setting.most:
                _refuse(name, f"'{name}' must be a whole number from {setting.least:,} to {setting.most:,}.")
        case "choice":
            if value not in setting.choices:
                _refuse(
                    name, f"'{name}' can only be {' or '.join(setting.choices)} here: for others no price is known."
                )
        case "text":
            if not isinstance(value, str) or not setting.least <= len(value) <= setting.most or not value.isprintable():
                _refuse(name, f"'{name}' must be text of {setting.least} to {setting.most} characters.")
        case "list":
            is_list = isinstance(value, list) and len(value) <= setting.most
            if not is_list or not all(each == {"type": "web_search"} for each in value):
                _refuse(name, f'\'{name}\' must be a list of tools. There is {{"type": "web_search"}}.')
    return value
