"""Model ids hold slashes, so a model's own page comes last."""

from django.urls import path

from catalog.views import models

urlpatterns = [
    path("", models.models, name="models"),
    path("compare/", models.compare_models, name="compare-models"),
    path("hide/", models.hide_model, name="hide-model"),
    path("deprecate/", models.deprecate_model, name="deprecate-model"),
    path("aliases/add/", models.add_alias, name="add-alias"),
    path("aliases/remove/", models.remove_alias, name="remove-alias"),
    path("offer/", models.set_offer, name="set-offer"),
    path("draw/", models.draw_model, name="draw-model"),
    path("<path:model_id>", models.model, name="model"),
]
