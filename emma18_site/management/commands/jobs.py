"""`manage.py jobs` runs the background workers alone, beside web processes that `up` did not start."""

import asyncio
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from emma18_site import clusters
from emma18_site.supervisor import Supervisor, tell


class Command(BaseCommand):
    help = "Run the background workers until Ctrl-C. `up` runs them by itself; this is for a machine of their own."
    requires_migrations_checks = True

    def handle(self, *args: Any, **options: Any) -> None:
        clusters.schedule()
        asyncio.run(self._supervise())

    async def _supervise(self) -> None:
        async def greet() -> None:
            tell(f"Background workers serve the queues {', '.join(settings.JOB_CLUSTERS)}. To stop: Ctrl-C.")

        await Supervisor(clusters.programs(), environment=os.environ, folder=settings.BASE_DIR).run(greet)
