from django.urls import path

from accounts.views import team

urlpatterns = [
    path("", team.team, name="team"),
    path("log/", team.audit_log, name="audit-log"),
    path("asks/", team.asks, name="asks"),
    path("asks/<str:public_id>/approve/", team.approve, name="approve-ask"),
    path("asks/<str:public_id>/deny/", team.deny, name="deny-ask"),
    path("budgets/", team.set_budget, name="set-budget"),
    path("budgets/<str:budget_id>/lift/", team.lift_budget, name="lift-budget"),
    path("time-zone/", team.set_time_zone, name="set-time-zone"),
    path("unpriced/", team.set_unpriced, name="set-unpriced"),
]
