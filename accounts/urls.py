from django.urls import path

from accounts import views

urlpatterns = [
    path("", views.keys, name="keys"),
    path("create/", views.create_key, name="create-key"),
    path("<str:public_id>/revoke/", views.revoke_key, name="revoke-key"),
]
