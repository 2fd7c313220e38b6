"""A person at a browser without JavaScript: logs in through the form and presses buttons, over real HTTP."""

import re
from collections.abc import Iterator

import httpx

from tests.conftest import PASSWORD


class Person:
    """Signed in on a running server. Every answer's CSRF token is taken along, as a browser takes it from the page."""

    def __init__(self, base_url: str, email: str, password: str = PASSWORD) -> None:
        self.client = httpx.Client(base_url=base_url, follow_redirects=True, timeout=30)
        self.get("/account/login/")
        self.post("/account/login/", login=email, password=password)

    def __enter__(self) -> "Person":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, url: str) -> httpx.Response:
        return self._noted(self.client.get(url))

    def post(self, url: str, **data: str) -> httpx.Response:
        return self._noted(self.client.post(url, data={"csrfmiddlewaretoken": self._token, **data}))

    def follow(self, page: httpx.Response) -> Iterator[tuple[str, str, str]]:
        """The events of the reply being written on a page: name, id, data."""
        url, position = re.search(r'data-follow="([^"]+)"\s+data-position="([^"]+)"', page.text).groups()  # type: ignore[union-attr]
        with self.client.stream("GET", f"{url}?from={position}") as stream:
            yield from events(stream.iter_lines())

    def _noted(self, response: httpx.Response) -> httpx.Response:
        if found := re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', response.text):
            self._token = found[1]
        return response


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Server-sent events as the standard reads them."""
    name = last_id = ""
    data: list[str] = []
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield name, last_id, "\n".join(data)
            name, data = "", []
        elif field == "event":
            name = value
        elif field == "id":
            last_id = value
        elif field == "data":
            data.append(value)
