"""Addresses whose views break, each in its way."""

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import path


def defect(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a secret of ours")


def database_locked(request: HttpRequest) -> HttpResponse:
    raise OperationalError("database is locked")


urlpatterns = [path("api/v1/defect", defect), path("api/v1/locked", database_locked)]
