from django.urls import path

from catalog.views import connected, providers

urlpatterns = [
    path("", providers.providers, name="providers"),
    path("connect/", providers.connect, name="connect-provider"),
    path("test/", providers.test, name="test-provider"),
    path("<str:public_id>/check/", connected.check, name="check-provider"),
    path("<str:public_id>/sync/", connected.look, name="sync-provider"),
    path("<str:public_id>/apply/", connected.apply, name="apply-sync"),
    path("<str:public_id>/dismiss/", connected.dismiss, name="dismiss-sync"),
    path("<str:public_id>/rotate/", connected.rotate, name="rotate-provider-key"),
    path("<str:public_id>/pause/", connected.pause, name="pause-provider"),
    path("<str:public_id>/resume/", connected.resume, name="resume-provider"),
    path("<str:public_id>/videos-at-once/", connected.cap_videos, name="cap-videos"),
    path("<str:public_id>/move/", connected.move, name="move-provider"),
    path("<str:public_id>/remove/", connected.remove, name="remove-provider"),
]
