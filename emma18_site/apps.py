from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "emma18_site"

    def ready(self) -> None:
        # Both need the models, so not before now.
        from accounts import model_ids
        from catalog import names, offers
        from emma18_site import checks  # noqa: F401  # registers them

        model_ids.come_from(offers.callable_ids, names.id_of)
