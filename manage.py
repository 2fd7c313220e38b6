#!/usr/bin/env python3
"""EMMA18's one command: `up` runs it, `test` proves it, `help` lists the rest. Any Python from 3.8."""

import os
import sys

from emma18_site import bootstrap


def main() -> None:
    bootstrap.prepare(sys.argv)
    if sys.argv[1:2] == ["test"]:  # before Django: a test run reads no settings and no data folder of yours
        from emma18_site import testing

        sys.exit(testing.run(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emma18_site.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as mistake:  # its sentence names the setting; a traceback would only hide it
        sys.exit(bootstrap.refuse(mistake))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
