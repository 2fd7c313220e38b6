"""What can be asked of a video model: the one table behind the form, the parser, GET /modes, the docs and the price.

Knows fields, limits, roles and how many tokens a clip may come to. Knows no price, no provider and no team.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

from catalog import implied
from upstream.frame_sizes import FRAMES_PER_SECOND, RATIOS, RESOLUTIONS, frame_size
from videos.specs import Spec

type Kind = Literal["image", "video", "audio"]

AUTO_S = -1  # the model chooses how long the clip is
ADAPTIVE = "adaptive"
STATUSES = ("queued", "running", "succeeded", "failed", "expired", "cancelled")
TERMINAL_STATUSES = ("succeeded", "failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class VideoModel:
    """`auto_s` is the longest clip it makes where it may choose."""

    id: str
    name: str
    about: str
    resolutions: tuple[str, ...]
    shortest_s: int
    longest_s: int = 15
    usual_s: int = 5
    auto_s: int = 15
    ratios: tuple[str, ...] = (ADAPTIVE, *RATIOS)
    modes: tuple[str, ...] = ("t2v", "i2v", "v2v")


SEEDANCE, SEEDANCE_FAST = implied.SEEDANCE, implied.SEEDANCE_FAST
STORYBOARD = "embedded/storyboard"
MODELS = {
    model.id: model
    for model in (
        VideoModel(
            SEEDANCE,
            "Seedance 2.0",
            "Clips with sound from text, images, videos and audio, up to 4k.",
            RESOLUTIONS,
            shortest_s=4,
        ),
        VideoModel(
            SEEDANCE_FAST,
            "Seedance 2.0 Fast",
            "The same for less money and time, up to 720p.",
            ("480p", "720p"),
            shortest_s=4,
        ),
        VideoModel(
            STORYBOARD,
            "Storyboard",
            "An animatic drawn on this machine: not a generated video, but free and ready in seconds.",
            RESOLUTIONS,
            shortest_s=1,
            auto_s=5,
        ),
    )
}
DEFAULT_MODEL = SEEDANCE
DEFAULT_RESOLUTION = "720p"


@dataclass(frozen=True, slots=True)
class Input:
    """How many references of a kind a task may have, how large and long each may be, and all together."""

    kind: Kind
    most: int
    most_mb: int
    roles: tuple[str, ...]
    formats: tuple[str, ...]
    shortest_s: int | None = None
    longest_s: int | None = None  # each, and all together


INPUTS: dict[str, Input] = {
    "image": Input(
        "image",
        9,
        30,
        ("first_frame", "last_frame", "reference_image"),
        ("jpeg", "png", "webp", "bmp", "tiff", "gif", "heic", "heif"),
    ),
    "video": Input("video", 3, 50, ("reference_video",), ("mp4", "mov"), shortest_s=2, longest_s=15),
    "audio": Input("audio", 3, 15, ("reference_audio",), ("wav", "mp3"), shortest_s=2, longest_s=15),
}
IMAGE_SIDE_PX = (300, 6000)
IMAGE_ASPECT = (0.4, 2.5)
VIDEO_FRAME_PX = (409_600, 2_086_876)
VIDEO_FPS = (24, 60)

PROMPT_CHARACTERS = 10_000
URL_CHARACTERS = 2_000
METADATA_PAIRS, METADATA_KEY, METADATA_VALUE = 16, 64, 512


@dataclass(frozen=True, slots=True)
class Mode:
    """`inputs` says how many of each kind it takes: at least, at most."""

    id: str
    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    inputs: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Setting:
    """A top-level field that goes to the provider as it is given. `kind` is flag, whole, text, choice or list."""

    name: str
    kind: Literal["flag", "whole", "text", "choice", "list"]
    least: int = 0
    most: int = 0
    choices: tuple[str, ...] = ()


EXPIRES_S = (3_600, 259_200)
USUAL_EXPIRES_S = 172_800
SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("seed", "whole", -1, 2**32 - 1),
        Setting("generate_audio", "flag"),
        Setting("watermark", "flag"),
        Setting("camera_fixed", "flag"),
        Setting("return_last_frame", "flag"),
        Setting("draft", "flag"),
        Setting("execution_expires_after", "whole", *EXPIRES_S),
        Setting("priority", "whole", 0, 9),
        # Other tiers have prices of their own, which nobody has told us.
        Setting("service_tier", "choice", choices=("default",)),
        Setting("safety_identifier", "text", 1, 64),
        Setting("output_format", "text", 1, 40),
        Setting("omni_reference_task_type", "text", 1, 40),
        Setting("tools", "list", 0, 8),
        Setting("frames", "whole", FRAMES_PER_SECOND, 15 * FRAMES_PER_SECOND),
    )
}
ALIASES = {"aspect_ratio": "ratio", "seconds": "duration"}
COMMON = ("mode", "prompt", "model", "resolution", "ratio", "duration", "callback_url", "metadata")
IMAGE_FIELDS = ("image_url", "image_urls", "last_image_url", "image_role")
VIDEO_FIELDS = ("video_url", "video_urls")
AUDIO_FIELDS = ("audio_url", "audio_urls")
FLAT_FIELDS = frozenset(("prompt", *IMAGE_FIELDS, *VIDEO_FIELDS, *AUDIO_FIELDS))
FIELDS = frozenset((*COMMON, *FLAT_FIELDS, *SETTINGS, *ALIASES, "content"))

_ALWAYS_OPTIONAL = ("model", "resolution", "ratio", "duration", *SETTINGS, "callback_url", "metadata")
MODES = {
    mode.id: mode
    for mode in (
        Mode("t2v", "Text to video", ("prompt",), _ALWAYS_OPTIONAL, {}),
        Mode(
            "i2v",
            "Image to video",
            ("prompt", "image_url"),
            ("image_urls", "last_image_url", "image_role", *AUDIO_FIELDS, *_ALWAYS_OPTIONAL),
            {"image": (1, 9), "audio": (0, 3)},
        ),
        Mode(
            "v2v",
            "Video to video (multimodal reference)",
            ("prompt", "video_url"),
            ("video_urls", "image_url", "image_urls", *AUDIO_FIELDS, *_ALWAYS_OPTIONAL),
            {"video": (1, 3), "image": (0, 9), "audio": (0, 3)},
        ),
    )
}


def most_seconds(spec: Spec) -> float:
    """How long the clip may become."""
    if frames := spec.settings.get("frames"):
        return float(frames) / FRAMES_PER_SECOND
    return MODELS[spec.model].auto_s if spec.duration == AUTO_S else spec.duration


def input_seconds(spec: Spec) -> float:
    """How much video is given: as much as may be given, where a file's length is not known."""
    given = [reference.seconds for reference in spec.references if reference.kind == "video"]
    if not given:
        return 0
    longest = float(INPUTS["video"].longest_s or 0)
    return longest if None in given else min(longest, sum(seconds or 0 for seconds in given))


def largest_frame(spec: Spec) -> tuple[int, int]:
    """Width and height; the largest of all ratios where the model may choose."""
    ratios = RATIOS if spec.ratio == ADAPTIVE else (spec.ratio,)
    return max((frame_size(spec.resolution, ratio) for ratio in ratios), key=math.prod)


def most_tokens(spec: Spec) -> int:
    """What the provider may count for the clip, at most: frames read and written, by their size."""
    width, height = largest_frame(spec)
    seconds = most_seconds(spec) + input_seconds(spec)
    return math.ceil(seconds * width * height * FRAMES_PER_SECOND / 1024)


def as_json(available: set[str]) -> dict[str, Any]:
    """What GET /modes answers. `available` are the models that the caller's team can use now."""
    return {
        "object": "list",
        "modes": [
            {
                "mode": mode.id,
                "name": mode.name,
                "required": list(mode.required),
                "optional": list(mode.optional),
                "inputs": {kind: _input(INPUTS[kind], *count) for kind, count in mode.inputs.items()},
            }
            for mode in MODES.values()
        ],
        "models": [
            {
                "id": model.id,
                "name": model.name,
                "description": model.about,
                "resolutions": list(model.resolutions),
                "ratios": list(model.ratios),
                "duration": {
                    "min": model.shortest_s,
                    "max": model.longest_s,
                    "auto": AUTO_S,
                    "default": model.usual_s,
                },
                "modes": list(model.modes),
                "available": model.id in available,
            }
            for model in MODELS.values()
        ],
        "default_model": DEFAULT_MODEL,
        "statuses": list(STATUSES),
        "terminal_statuses": list(TERMINAL_STATUSES),
    }


def _input(limits: Input, least: int, most: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"min": least, "max": most, "max_mb": limits.most_mb, "roles": list(limits.roles)}
    if limits.longest_s:
        shown |= {"min_seconds": limits.shortest_s, "max_total_seconds": limits.longest_s}
    return shown | {"formats": list(limits.formats)}
