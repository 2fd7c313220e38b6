from django.urls import path

from accounts.views import usage

urlpatterns = [
    path("", usage.usage, name="usage"),
    path("export.csv", usage.usage_csv, name="usage-csv"),
    path("requests/", usage.requests, name="requests"),
    path("requests/<str:request_id>/", usage.receipt, name="receipt"),
]
