from django.urls import path

from videos import api, serving

urlpatterns = [
    path("m/<str:public_id>/<str:file>", serving.media, name="media"),
    path("hooks/ark/<str:token>", api.ark_callback, name="ark-callback"),
]
