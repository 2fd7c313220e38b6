"""Saying which of a provider's tasks one of ours is, where its outcome is unknown. Asks the provider; the change is
`lifecycle.py`'s."""

from contextlib import closing

from accounts.models import User
from accounts.refusals import BadRequest, Conflict, ProviderUnavailable
from upstream.errors import Refused, UpstreamError
from videos import lifecycle
from videos.models import VideoTask
from videos.sites import client

LONGEST_ID = 200


def may_be_adopted(task: VideoTask) -> bool:
    """Whether an id is what is missing."""
    return task.state == VideoTask.State.SUBMIT_UNKNOWN and not task.upstream_id and task.provider is not None


def adopt(task: VideoTask, typed: str, *, by: User) -> None:
    """Raises BadRequest for what the provider knows no task by, Conflict where the outcome is known by now or the id is
    another task's, ProviderUnavailable where the provider does not say."""
    upstream_id = typed.strip()
    if not (upstream_id and len(upstream_id) <= LONGEST_ID and upstream_id.isascii() and upstream_id.isprintable()):
        raise BadRequest(f"Give the id that {task.provider_name} shows for the task there.", param="upstream_id")
    if not may_be_adopted(task) or task.provider is None:
        raise Conflict("The outcome of this task is known by now.")
    try:
        with closing(client(task.provider)) as asked:
            asked.get(upstream_id)
    except Refused as refused:
        if refused.status not in (400, 404):
            raise ProviderUnavailable(
                f"{task.provider_name} did not say whether it has it: {refused.reason}"
            ) from refused
        raise BadRequest(
            f"{task.provider_name} knows no task {upstream_id[:80]}. Look there for one of the same time and prompt.",
            param="upstream_id",
        ) from refused
    except UpstreamError as error:
        raise ProviderUnavailable(f"{task.provider_name} did not say whether it has it: {error.reason}") from error
    if VideoTask.objects.filter(provider=task.provider, upstream_id=upstream_id).exists():
        raise Conflict(f"Another of the team's videos is {upstream_id[:80]} already. Look there which one this is.")
    lifecycle.adopt(task, upstream_id, by=by)
