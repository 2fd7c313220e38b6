"""Clients end a path with a slash or not. The second list is what SDKs of Ark ask, under /api/v3."""

from django.urls import URLPattern, re_path

from videos import api


def _tasks(prefix: str, name: str) -> list[URLPattern]:
    one = rf"^{prefix}/(?P<public_id>[^/]+)"
    return [
        re_path(rf"^{prefix}/?$", api.tasks, name=f"{name}_tasks"),
        re_path(rf"{one}/?$", api.task, name=f"{name}_task"),
        re_path(rf"{one}/cancel/?$", api.cancel, name=f"{name}_cancel"),
        re_path(rf"{one}/content/?$", api.content, name=f"{name}_content"),
    ]


urlpatterns = [
    re_path(r"^v1/video/seedance/modes/?$", api.list_modes, name="api_video_modes"),
    re_path(r"^v1/video/seedance/webhook-secret/?$", api.webhook_secret, name="api_video_webhook_secret"),
    *_tasks("v1/video/seedance/tasks", "api_video"),
    *_tasks("v3/contents/generations/tasks", "api_ark"),
]
