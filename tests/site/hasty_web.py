"""A web server in haste and in need: it waits for the head of a request for a second only, and was started with so few
open files that a hundred connections would take them all. `python -m tests.site.hasty_web --port N`."""

import resource

from emma18_site import web

if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    web.HEAD_WITHIN_S = 1
    web.main()
