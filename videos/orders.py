"""A task as each kind of provider wants it asked for: EMMA18's flat body, or Ark's `content`. Knows no money."""

import secrets
from collections.abc import Mapping
from typing import Any

from accounts.models import Provider
from videos import modes
from videos.models import VideoTask
from videos.specs import Reference, Spec

MARKS_S = 86_400


def expires_after_s(provider: Provider, spec: Spec) -> int:
    """After how long the provider may give the task up.

    Ark takes a task again when it is sent again, and does not say in its list which prompt a task has. So where the
    caller leaves this number to us, some seconds up to a day are added to it by chance: Ark tells the number with the
    task, and by it one of ours whose answer was lost is found among others that look alike.
    """
    given = spec.settings.get("execution_expires_after")
    if given is not None:
        return int(given)
    return modes.USUAL_EXPIRES_S + (secrets.randbelow(MARKS_S) if provider.kind == Provider.Kind.ARK else 0)


def body(task: VideoTask, kind: str, *, inputs: Mapping[int, str], callback_url: str) -> dict[str, Any]:
    """What is sent. `inputs` are the files that came in the request, by the number of their reference."""
    spec = Spec.from_json(task.spec)
    references = [
        Reference(each.kind, each.role, inputs.get(number, each.url)) for number, each in enumerate(spec.references)
    ]
    asked: dict[str, Any] = {"model": task.upstream_model}
    if kind == Provider.Kind.ARK:
        asked["content"] = [{"type": "text", "text": spec.prompt}, *map(_content, references)]
        asked["execution_expires_after"] = task.expires_after_s
        if callback_url:
            asked["callback_url"] = callback_url
    else:
        asked |= {"mode": spec.mode, "prompt": spec.prompt, **_flat(references)}
    return asked | {
        "resolution": spec.resolution,
        "ratio": spec.ratio,
        "duration": spec.duration,
        **{name: value for name, value in spec.settings.items() if name not in asked},
    }


def _content(reference: Reference) -> dict[str, Any]:
    kind = f"{reference.kind}_url"
    return {"type": kind, kind: {"url": reference.url}, "role": reference.role}


def _flat(references: list[Reference]) -> dict[str, Any]:
    """In the singular fields where there is one, as they are the documented ones."""
    found: dict[str, Any] = {}
    for kind in modes.INPUTS:
        urls = [each.url for each in references if each.kind == kind and each.role != "last_frame"]
        if urls:
            found |= {f"{kind}_url": urls[0]} if len(urls) == 1 else {f"{kind}_urls": urls}
    for each in references:
        if each.role == "last_frame":
            found["last_image_url"] = each.url
    if len(references) == 1 and references[0].role == "reference_image":
        found["image_role"] = "reference_image"
    return found
