"""Every address of the site. The streaming routes are in chat/asgi.py, chosen before these."""

from django.urls import include, path

from emma18_site import views, why_views

urlpatterns = [
    path("", views.home, name="home"),
    path("welcome/", views.welcome, name="welcome"),
    path("scheme/", views.choose_scheme, name="scheme"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("account/", include("emma18_site.account_urls")),
    path("chat/", include("chat.urls")),
    path("models/", include("catalog.model_urls")),
    path("videos/", include("videos.page_urls")),
    path("usage/", include("accounts.usage_urls")),
    path("keys/", include("accounts.urls")),
    path("team/", include("accounts.team_urls")),
    path("providers/", include("catalog.urls")),
    path("why/<str:request_id>/", why_views.why_refused, name="why"),
    path("why/<str:request_id>/ask/", why_views.ask_for_more, name="ask-for-more"),
    path("api/v1/", include("accounts.api_urls")),
    path("api/v1/", include("catalog.api_urls")),
    path("api/", include("videos.api_urls")),
    path("", include("videos.urls")),
]
