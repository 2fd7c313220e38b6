from django.urls import path

from catalog import views

urlpatterns = [
    path("", views.providers, name="providers"),
    path("connect/", views.connect, name="connect-provider"),
    path("test/", views.test, name="test-provider"),
    path("<str:public_id>/refresh/", views.refresh, name="refresh-provider"),
    path("<str:public_id>/remove/", views.remove, name="remove-provider"),
]
