"""Where a provider of clips is asked, and where it calls back. Knows keys for as long as a call takes."""

from pathlib import Path
from typing import cast

from django.conf import settings

from accounts import vault
from accounts.models import Provider
from accounts.refusals import ProviderUnavailable
from upstream.client import Endpoint
from upstream.embedded import runtime
from upstream.video import Kind, VideoClient
from videos.models import VideoTask

HOOK_PATH = "/hooks/ark"


def client(provider: Provider) -> VideoClient:
    """Whoever asks for it closes it. Raises a Refusal where the key cannot be opened, or the renderer does not run."""
    if provider.kind != Provider.Kind.EMBEDDED:
        return VideoClient(vault.endpoint(provider), cast(Kind, provider.kind))
    running = runtime.read(Path(settings.STORYBOARD_RUNTIME_FILE))
    if running is None:
        raise ProviderUnavailable("The storyboard renderer is not running. Start the server without --no-embedded.")
    return VideoClient(Endpoint(base_url=running.base_url, api_key=running.token, is_local=True), "embedded")


def callback_url(task: VideoTask) -> str:
    """The task's own, where providers can reach us at all; else nothing, and we ask a little longer."""
    return f"{settings.PUBLIC_URL}{HOOK_PATH}/{task.callback_token}" if settings.PUBLIC_URL else ""
