from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from upstream import egress


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        """Tell the egress guard, which knows no settings, what it lets through, and the queue what it takes."""
        from accounts import queue  # needs the models

        queue.take_ids_only()
        # Where strangers found teams, any of them could point a provider at what listens on this machine.
        only_ours_come_in = settings.LISTENS_ON_LOOPBACK_ONLY and settings.SIGNUP != "open"
        try:
            egress.allow(settings.EGRESS_ALLOW, loopback=only_ours_come_in)
        except ValueError as error:
            raise ImproperlyConfigured(f"EMMA18_EGRESS_ALLOW: {error}") from None
