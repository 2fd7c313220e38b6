"""Clients end a path with a slash or not."""

from django.urls import re_path

from accounts.api import keys, receipts

urlpatterns = [
    re_path(r"^generations/(?P<request_id>[^/]+)/?$", receipts.generation, name="api_generation"),
    re_path(r"^key/?$", keys.key, name="api_key"),
    re_path(r"^credits/?$", keys.credits, name="api_credits"),
]
