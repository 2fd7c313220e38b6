"""The video API at a real server: as Ark's own SDK speaks to it, many at once, and with bodies of many megabytes."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from volcenginesdkarkruntime import Ark

from tests.contract.shape import assert_refused

TASKS = "/video/seedance/tasks"
BODY = {"prompt": "A fox in the snow", "model": "embedded/storyboard"}
MIB = 1024 * 1024


@pytest.fixture
def ark(api) -> Ark:
    return Ark(base_url=f"{api.server.base_url}/api/v3", api_key=api.key, max_retries=0)


def test_the_sdk_of_ark_creates_gets_lists_and_deletes(ark):
    tasks = ark.content_generation.tasks
    created = tasks.create(model=BODY["model"], content=[{"type": "text", "text": "A hare"}], duration=4, ratio="1:1")

    got = tasks.get(task_id=created.id)
    assert (got.id, got.status, got.duration, got.ratio) == (created.id, "queued", 4, "1:1")
    listed = tasks.list(page_size=5, task_ids=[created.id])
    assert (listed.total, listed.items[0].id) == (1, created.id)
    tasks.delete(task_id=created.id)
    assert tasks.get(task_id=created.id).status == "cancelled"


def test_fifty_at_once_with_one_key_make_one_task(api):
    headers = {"authorization": f"Bearer {api.key}", "idempotency-key": "fifty"}

    def create(_: int) -> httpx.Response:
        return httpx.post(api.base_url + TASKS, json=BODY, headers=headers, timeout=60)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(create, range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 49


def test_a_file_of_many_megabytes_may_come_in_the_request(http):
    image = "data:image/png;base64," + "A" * (12 * MIB)

    assert http.post(TASKS, json={**BODY, "image_url": image}).status_code == 200


@pytest.mark.parametrize("path", [TASKS, "/../v3/contents/generations/tasks"])
def test_a_request_of_80_megabytes_413(http, path):
    body = assert_refused(http.post(path, content=b" " * (80 * MIB)), 413, "request_too_large")

    assert "65,536 KiB" in body["detail"]


def test_an_image_of_more_than_30_megabytes_is_named_at_its_field(http):
    content = json.dumps({**BODY, "image_url": "data:image/png;base64," + "A" * (41 * MIB)})

    assert assert_refused(http.post(TASKS, content=content), 400)["error"]["param"] == "image_url"


def test_a_stranger_cannot_make_us_read_64_megabytes(api):
    address = urlsplit(api.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = f"POST {address.path}{TASKS} HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-length: {60 * MIB}\r\n\r\n"
        connection.sendall(head.encode() + b"{")

        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_what_is_not_found_at_arks_address_is_said_as_everywhere(api):
    headers = {"authorization": f"Bearer {api.key}"}

    assert_refused(httpx.get(f"{api.server.base_url}/api/v3/nothing", headers=headers), 404)
    assert_refused(httpx.get(f"{api.server.base_url}/api/v3/contents/generations/tasks"), 401)
