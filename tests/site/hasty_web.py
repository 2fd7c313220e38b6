"""A web server that waits for the head of a request for a second only: `python -m tests.site.hasty_web --port N`."""

from emma18_site import web

if __name__ == "__main__":
    web.HEAD_WITHIN_S = 1
    web.main()
