from django.urls import path

from accounts.views import balance, keys

urlpatterns = [
    path("", keys.keys, name="keys"),
    path("create/", keys.create_key, name="create-key"),
    path("<str:public_id>/limits/", keys.change_key, name="change-key"),
    path("<str:public_id>/rotate/", keys.rotate_key, name="rotate-key"),
    path("<str:public_id>/first-request/", keys.first_request, name="first-request"),
    path("<str:public_id>/revoke/", keys.revoke_key, name="revoke-key"),
    path("grant/", balance.grant, name="grant-credit"),
    path("redeem/", balance.redeem, name="redeem-code"),
    path("correct/", balance.correct, name="correct-credit"),
    path("ledger/", balance.ledger, name="ledger"),
    path("ledger.csv", balance.ledger_csv, name="ledger-csv"),
]
