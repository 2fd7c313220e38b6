"""A task as callers are told of it, by the API and by webhooks: Ark's words, and ours beside them."""

from datetime import datetime
from typing import Any

from accounts.money import decimal_dollars
from videos import links
from videos.models import VideoTask
from videos.modes import TERMINAL_STATUSES

State = VideoTask.State

API_PATH = "/api/v1/video/seedance/tasks"
POLL_AFTER_MS = 5_000
# What only we know the difference of is queued to everybody else.
STATUS = {State.SUBMITTING: "queued", State.SUBMIT_UNKNOWN: "queued"}
# As the provider made it, where it says so; as asked before.
_MADE = ("seed", "resolution", "ratio", "duration", "frames", "framespersecond", "revised_prompt")
_SETTINGS = ("generate_audio", "service_tier", "draft", "priority", "watermark", "camera_fixed", "return_last_frame")


def status(task: VideoTask) -> str:
    return STATUS.get(State(task.state), task.state)


def as_json(task: VideoTask, *, base_url: str) -> dict[str, Any]:
    """`base_url` is this server's own address, for the links."""
    told, spec = status(task), task.spec
    is_terminal = told in TERMINAL_STATUSES
    made = {name: task.result[name] for name in _MADE if name in task.result}
    asked = {
        "resolution": spec["resolution"],
        "ratio": spec["ratio"],
        "duration": spec["duration"],
        "generate_audio": True,
        "service_tier": "default",
        **{name: spec["settings"][name] for name in (*_SETTINGS, "seed") if name in spec["settings"]},
    }
    shown: dict[str, Any] = {
        "id": task.public_id,
        "task_id": task.public_id,
        "object": "video.task",
        "mode": task.mode,
        "model": task.model_id,
        "status": told,
        "terminal": is_terminal,
        "progress": 100 if told == "succeeded" else task.progress,
        "error": _error(task),
        "content": _content(task, base_url),
        "usage": _usage(task),
        "cost": _cost(task, is_terminal=is_terminal),
        **asked,
        **made,
        "execution_expires_after": task.expires_after_s,
        "provider": task.provider_name,
        "is_storyboard": task.is_storyboard,
        "created_at": _seconds(task.created_at),
        "started_at": _seconds(task.started_at),
        "updated_at": _seconds(task.updated_at),
        "completed_at": _seconds(task.completed_at),
        "prompt": task.prompt,
        "review_status": task.review_status,
        "request_id": task.request_id,
        "metadata": task.metadata,
        "status_url": f"{API_PATH}/{task.public_id}",
    }
    if task.needs_attention:
        shown["attention"] = task.attention
    if not is_terminal:
        shown["poll_after_ms"] = POLL_AFTER_MS
    return shown


def _error(task: VideoTask) -> dict[str, str] | None:
    return {"code": task.error_code, "message": task.error_message} if task.error_code else None


def _content(task: VideoTask, base_url: str) -> dict[str, Any] | None:
    if task.state != State.SUCCEEDED:
        return None
    has_last_frame = bool(task.upstream_last_frame_url)
    video = links.path(task, links.VIDEO)
    return {
        "video_url": base_url + video,
        "last_frame_url": base_url + links.path(task, links.LAST_FRAME) if has_last_frame else None,
        "poster_url": base_url + links.path(task, links.POSTER),
        "expires_at": int(video.partition("exp=")[2].partition("&")[0]),
        "stored": task.fetch == VideoTask.Fetch.STORED,
    }


def _usage(task: VideoTask) -> dict[str, int] | None:
    if task.usage_tokens is None:
        return None
    return {"completion_tokens": task.usage_tokens, "total_tokens": task.usage_tokens}


def _cost(task: VideoTask, *, is_terminal: bool) -> dict[str, str | None]:
    return {
        "currency": "USD",
        "estimated": decimal_dollars(task.estimated_nanousd),
        "held": "0.00" if is_terminal else decimal_dollars(task.estimated_nanousd),
        "charged": None if task.charged_nanousd is None else decimal_dollars(task.charged_nanousd),
    }


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
