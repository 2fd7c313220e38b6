"""Every address of the site. The streaming routes are in chat/asgi.py, chosen before these."""

from django.urls import include, path

from emma18_site import views

urlpatterns = [
    path("", views.home, name="home"),
    path("welcome/", views.welcome, name="welcome"),
    path("scheme/", views.choose_scheme, name="scheme"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("account/", include("emma18_site.account_urls")),
    path("chat/", include("chat.urls")),
    path("keys/", include("accounts.urls")),
    path("providers/", include("catalog.urls")),
    path("api/v1/", include("catalog.api_urls")),
]
