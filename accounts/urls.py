from django.urls import path

from accounts import views

urlpatterns = [path("", views.keys, name="keys")]
