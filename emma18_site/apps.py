from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "emma18_site"

    def ready(self) -> None:
        from emma18_site import checks  # noqa: F401  # registers them; needs the models, so not before now
