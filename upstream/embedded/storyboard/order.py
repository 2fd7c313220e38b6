"""What one clip is to be: read from a request's body, checked, and kept as JSON. Knows the wire; draws nothing.

Both ways of asking are understood, the flat one and Ark's `content`. What only matters to a real generator is accepted
and changes nothing; a name nobody knows is refused, so that a slip of the pen is noticed.
"""

import base64
import binascii
import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from upstream.embedded.storyboard import prompt
from upstream.frame_sizes import FRAMES_PER_SECOND, RATIOS, RESOLUTIONS

MODEL_ID = "embedded/storyboard"
PROMPT_CHARACTERS = 10_000
SHORTEST_S, LONGEST_S, USUAL_S = 1, 15, 5
HIGHEST_SEED = 2**32 - 1
EXPIRES_S = (3600, 259_200, 172_800)  # at least, at most, usually
URL_CHARACTERS = 8_000
# How many of each kind one clip may have, and how large each may be.
MOST = {"image": 9, "video": 3, "audio": 3}
LARGEST_BYTES = {"image": 30 << 20, "video": 50 << 20, "audio": 15 << 20}
ROLES = {
    "image": ("first_frame", "last_frame", "reference_image"),
    "video": ("reference_video",),
    "audio": ("reference_audio",),
}
_WORDS = "mode prompt image_url image_urls last_image_url image_role video_url video_urls audio_url audio_urls"
FLAT = frozenset(_WORDS.split())
_WORDS = "model resolution ratio aspect_ratio duration seconds frames seed generate_audio watermark camera_fixed"
SETTINGS = frozenset([*_WORDS.split(), "return_last_frame", "execution_expires_after"])
_WORDS = (
    "service_tier priority safety_identifier tools draft output_format omni_reference_task_type metadata callback_url"
)
WITHOUT_EFFECT = frozenset(_WORDS.split())


class Invalid(Exception):
    """A sentence about the field `param`."""

    def __init__(self, sentence: str, param: str, *, code: str = "InvalidParameter", status: int = 400) -> None:
        super().__init__(sentence)
        self.param, self.code, self.status = param, code, status


@dataclass(frozen=True, slots=True)
class Reference:
    """`url` is an http address, or empty where the bytes came with the request."""

    kind: str
    role: str
    url: str


@dataclass(frozen=True, slots=True)
class Order:
    mode: str
    prompt: str
    resolution: str
    ratio: str
    frames: int
    is_in_frames: bool
    seed: int
    generate_audio: bool
    watermark: bool
    camera_fixed: bool
    return_last_frame: bool
    expires_after_s: int
    references: tuple[Reference, ...]

    @property
    def seconds(self) -> float:
        return self.frames / FRAMES_PER_SECOND

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Order":
        references = tuple(Reference(**reference) for reference in kept.pop("references"))
        return cls(**kept, references=references)


def read(body: object) -> tuple[Order, list[bytes | None]]:
    """The order, and for each of its references the bytes that came along. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid("The body must be a JSON object.", "body")
    known = SETTINGS | WITHOUT_EFFECT | FLAT | {"content", "n"}
    for name in body:
        if name not in known:
            raise Invalid(f"There is no parameter {str(name)[:60]!r}.", str(name)[:60])
    if body.get("n") not in (None, 1):
        raise Invalid("One task makes one clip: ask again for another take.", "n")
    model = body.get("model", MODEL_ID)
    if model != MODEL_ID:
        raise Invalid(
            f"This provider has the model {MODEL_ID} only.", "model", code="InvalidEndpointOrModel.NotFound", status=404
        )
    if "content" in body and (both := FLAT & body.keys()):
        raise Invalid(f"Say it in `content` or in `{min(both)}`, not in both.", "content")
    text, items = _from_content(body["content"]) if "content" in body else _from_flat(body)
    return _order(body, text, items)


type Item = tuple[str, str, str]  # kind, role, URL


def _from_content(content: object) -> tuple[str, list[Item]]:
    if not isinstance(content, list):
        raise Invalid("`content` must be a list of objects.", "content")
    texts, items = [], []
    for number, part in enumerate(content):
        where = f"content[{number}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            texts.append(_text(part.get("text"), f"{where}.text"))
        elif isinstance(kind, str) and kind.removesuffix("_url") in MOST and kind.endswith("_url"):
            held, name = part.get(kind), kind.removesuffix("_url")
            url = held.get("url") if isinstance(held, dict) else None
            role = part.get("role") or ROLES[name][0]
            if role not in ROLES[name]:
                raise Invalid(
                    f"{where} cannot have the role {role!r}: a {name} is {' or '.join(ROLES[name])}.", f"{where}.role"
                )
            items.append((name, role, _text(url, f"{where}.{kind}.url", most=None)))
        else:
            raise Invalid(f"{where} has no type this provider knows: text, image_url, video_url or audio_url.", where)
    return "\n".join(texts), items


def _from_flat(body: dict[str, Any]) -> tuple[str, list[Item]]:
    items: list[Item] = []
    for kind in MOST:
        urls = body.get(f"{kind}_urls") or []
        if not isinstance(urls, list):
            raise Invalid(f"`{kind}_urls` must be a list.", f"{kind}_urls")
        single = [body[f"{kind}_url"]] if body.get(f"{kind}_url") else []
        items += [(kind, ROLES[kind][-1], _text(url, f"{kind}_url", most=None)) for url in single + urls]
    is_alone = len(items) == 1 and items[0][0] == "image"
    role = body.get("image_role") or ("first_frame" if is_alone or body.get("last_image_url") else "reference_image")
    if role not in ("first_frame", "reference_image"):
        raise Invalid("`image_role` is first_frame or reference_image.", "image_role")
    items = [(kind, role if kind == "image" else own, url) for kind, own, url in items]
    if body.get("last_image_url"):
        items.append(("image", "last_frame", _text(body["last_image_url"], "last_image_url", most=None)))
    return _text(body.get("prompt") or "", "prompt"), items


def _order(body: dict[str, Any], text: str, items: list[Item]) -> tuple[Order, list[bytes | None]]:
    kinds = [kind for kind, _, _ in items]
    roles = [role for _, role, _ in items]
    mode = "v2v" if "video" in kinds else "i2v" if "image" in kinds else "t2v"
    asked = body.get("mode")
    if asked not in (None, "t2v", "i2v", "v2v"):
        raise Invalid("`mode` is t2v, i2v or v2v.", "mode")
    if asked not in (None, mode):
        needs = {"t2v": "takes no image and no video", "i2v": "needs an image and no video", "v2v": "needs a video"}[
            asked
        ]
        raise Invalid(f"The mode {asked} {needs}.", "mode")
    if "audio" in kinds and mode == "t2v":
        raise Invalid("An audio reference needs an image or a video beside it.", "audio_url")
    for kind, most in MOST.items():
        if kinds.count(kind) > most:
            raise Invalid(f"{kinds.count(kind)} {kind} references are too many: at most {most}.", f"{kind}_urls")
    framed = roles.count("first_frame"), roles.count("last_frame")
    if any(framed) and (framed[0] != 1 or framed[1] > 1 or len(items) > sum(framed)):
        raise Invalid("A first frame stands alone or with one last frame, not with other references.", "image_url")
    if not text.strip() and mode == "t2v":
        raise Invalid("A prompt is needed.", "prompt", code="MissingParameter")
    read_prompt = prompt.read(text)
    if read_prompt.failure and read_prompt.failure not in prompt.FAILURES:
        raise Invalid(
            f"No failure is called {read_prompt.failure!r}: {', '.join(prompt.FAILURES)} can be asked for.", "prompt"
        )
    frames, is_in_frames = _frames(body)
    seed = _whole(body, "seed", -1, HIGHEST_SEED, -1)
    order = Order(
        mode=mode,
        prompt=text,
        resolution=_choice(body, "resolution", RESOLUTIONS, "720p"),
        ratio=_choice(body, "aspect_ratio" if "aspect_ratio" in body else "ratio", (*RATIOS, "adaptive"), "adaptive"),
        frames=frames,
        is_in_frames=is_in_frames,
        seed=seed if seed >= 0 else _seed(text, items),
        generate_audio=_flag(body, "generate_audio", True),
        watermark=_flag(body, "watermark", False),
        camera_fixed=_flag(body, "camera_fixed", False),
        return_last_frame=_flag(body, "return_last_frame", False),
        expires_after_s=_whole(body, "execution_expires_after", *EXPIRES_S),
        references=tuple(Reference(kind, role, "" if url.startswith("data:") else url) for kind, role, url in items),
    )
    return order, [_bytes(kind, url) for kind, _, url in items]


def _seed(text: str, items: list[Item]) -> int:
    """Where none is given: still the same clip for the same request."""
    digest = hashlib.sha256(repr((text, items)).encode()).digest()
    return int.from_bytes(digest[:4])


def _bytes(kind: str, url: str) -> bytes | None:
    if not url.startswith("data:"):
        if not url.startswith(("http://", "https://")) or len(url) > URL_CHARACTERS:
            raise Invalid(f"The {kind} reference must be an http(s) or a data: URL.", f"{kind}_url")
        return None
    head, comma, encoded = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise Invalid(f"The data: URL of the {kind} reference must be base64.", f"{kind}_url")
    if len(encoded) * 3 // 4 > LARGEST_BYTES[kind] + 2:
        raise Invalid(f"The {kind} reference is larger than {LARGEST_BYTES[kind] >> 20} MB.", f"{kind}_url")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(f"The data: URL of the {kind} reference is not base64.", f"{kind}_url") from None


def _frames(body: dict[str, Any]) -> tuple[int, bool]:
    if body.get("frames") is not None:
        return _whole(body, "frames", SHORTEST_S * FRAMES_PER_SECOND, LONGEST_S * FRAMES_PER_SECOND, 0), True
    name = "seconds" if "seconds" in body else "duration"
    seconds = _whole(body, name, -1, LONGEST_S, USUAL_S)
    if seconds == -1:
        seconds = USUAL_S
    if seconds < SHORTEST_S:
        raise Invalid(f"`{name}` is a whole number of seconds from {SHORTEST_S} to {LONGEST_S}, or -1.", name)
    return seconds * FRAMES_PER_SECOND, False


def _text(value: object, param: str, most: int | None = PROMPT_CHARACTERS) -> str:
    if not isinstance(value, str):
        raise Invalid(f"`{param}` must be text.", param)
    if most and len(value) > most:
        raise Invalid(f"`{param}` is longer than {most:,} characters.", param)
    return value


def _choice(body: dict[str, Any], name: str, choices: tuple[str, ...], usual: str) -> str:
    value = body.get(name, usual)
    if value not in choices:
        raise Invalid(f"`{name}` is one of {', '.join(choices)}.", name)
    return str(value)


def _flag(body: dict[str, Any], name: str, usual: bool) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Invalid(f"`{name}` is true or false.", name)
    return usual if value is None else value


def _whole(body: dict[str, Any], name: str, least: int, most: int, usual: int) -> int:
    value = body.get(name)
    if value is None:
        return usual
    if type(value) is not int or not least <= value <= most:
        raise Invalid(f"`{name}` is a whole number from {least:,} to {most:,}.", name)
    return value
