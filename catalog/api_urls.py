"""Model ids hold slashes, and clients end a path with one or not."""

from django.urls import path, re_path

from catalog import api

urlpatterns = [
    re_path(r"^models/?$", api.models, name="api_models"),
    path("models/<path:model_id>", api.model, name="api_model"),
]
