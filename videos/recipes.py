"""A task's recipe as a request again: to send it once more, to fill the form of another with it, to show as API call.

Knows what was asked, nothing of what came of it.
"""

import json
from collections.abc import Mapping
from typing import Any

from accounts.callers import Caller
from accounts.models import Provider
from accounts.refusals import Conflict
from videos import orders, references
from videos.models import VideoTask
from videos.specs import Spec


def body(task: VideoTask, addresses: Mapping[int, str] | None = None) -> dict[str, Any]:
    """As the API takes it, with other addresses of references if they are given by number."""
    flat = orders.body(task, Provider.Kind.EMMA18, inputs=addresses or {}, callback_url="")
    return flat | {"model": task.model_id}


def body_again(caller: Caller, task: VideoTask, *, base_url: str) -> dict[str, Any]:
    """The same, to be sent, with new links to files of ours. Raises Conflict where a file came in the request itself,
    which is not kept for long."""
    spec = Spec.from_json(task.spec)
    if lacks_files(spec):
        raise Conflict("A file that came inside the first request is no longer kept. Remix the video and add it again.")
    fresh = {
        number: references.address(caller, references.value_of(each.url), base_url=base_url)
        for number, each in enumerate(spec.references)
    }
    return body(task, fresh)


def lacks_files(spec: Spec) -> bool:
    return any(reference.url.startswith("data:") for reference in spec.references)


def as_curl(task: VideoTask, *, base_url: str) -> str:
    """A command for a shell, with the key in a variable."""
    sent = json.dumps(body(task), indent=2, ensure_ascii=False).replace("'", "'\\''")
    return (
        f"curl {base_url}/api/v1/video/seedance/tasks \\\n"
        '  -H "Authorization: Bearer $EMMA18_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{sent}'"
    )


def initial(task: VideoTask, *, keeps_seed: bool) -> dict[str, Any]:
    """What to fill the form of a new video with. The seed is left to chance unless it is asked for: a remix that
    silently pins it makes the same again."""
    spec = Spec.from_json(task.spec)
    seed = task.result.get("seed", spec.settings.get("seed")) if keeps_seed else None
    return {
        "mode": spec.mode,
        "prompt": spec.prompt,
        "model": [spec.model],
        "resolution": spec.resolution,
        "ratio": spec.ratio,
        "duration": spec.duration,
        "seed": "" if seed is None else str(seed),
        "generate_audio": spec.settings.get("generate_audio", True),
        "return_last_frame": spec.settings.get("return_last_frame", False),
        "references": [
            (references.value_of(each.url), each.role) for each in spec.references if not each.url.startswith("data:")
        ],
        "remix_of": task.public_id,
    }
