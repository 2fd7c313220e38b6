from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from upstream import egress


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        """Tell the egress guard, which knows no settings, what it lets through."""
        try:
            egress.allow(settings.EGRESS_ALLOW, loopback=settings.LISTENS_ON_LOOPBACK_ONLY)
        except ValueError as error:
            raise ImproperlyConfigured(f"EMMA18_EGRESS_ALLOW: {error}") from None
