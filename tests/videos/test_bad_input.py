"""Requests for clips that cannot be made: each named at its field, before anything is held."""

import pytest

from tests.contract.shape import assert_refused
from tests.videos.conftest import T2V
from videos.models import VideoTask

IMAGE, VIDEO, SOUND = "https://example.com/a.jpg", "https://example.com/a.mp4", "https://example.com/a.mp3"
FAST = "doubao-seedance-2-0-fast-260128"
WRONG = [
    ("prompt", {"prompt": ""}),
    ("prompt", {"prompt": 7}),
    ("prompt", {"prompt": "x" * 10_001}),
    ("prompt", {"prompt": "a\0b"}),
    ("promt", {"promt": "A fox"}),
    ("n", {"n": 2}),
    ("mode", {"mode": "a2v", "image_url": IMAGE}),
    ("image_url", {"mode": "i2v"}),
    ("video_url", {"mode": "v2v", "image_url": IMAGE}),
    ("image_url", {"mode": "t2v", "image_url": IMAGE}),
    ("audio_url", {"mode": None, "audio_url": SOUND}),
    ("image_urls", {"mode": "i2v", "image_urls": [IMAGE] * 10}),
    ("image_urls", {"mode": "i2v", "image_urls": [IMAGE], "image_url": IMAGE}),
    ("last_image_url", {"mode": "i2v", "last_image_url": IMAGE}),
    ("image_url", {"mode": "v2v", "image_url": IMAGE, "video_url": VIDEO, "image_role": "first_frame"}),
    ("image_role", {"image_role": "first_frame"}),
    ("duration", {"duration": 16}),
    ("duration", {"duration": 3}),
    ("duration", {"duration": "5"}),
    ("duration", {"duration": True}),
    ("seconds", {"seconds": 5, "duration": 5}),
    ("resolution", {"model": FAST, "resolution": "4k"}),
    ("resolution", {"resolution": ["720p"]}),
    ("ratio", {"ratio": "2:1"}),
    ("seed", {"seed": 2**32}),
    ("watermark", {"watermark": 1}),
    ("service_tier", {"service_tier": "flex"}),
    ("tools", {"tools": [{"type": "shell"}]}),
    ("metadata", {"metadata": {"a": 1}}),
    ("metadata", {"metadata": {str(number): "x" for number in range(17)}}),
    ("callback_url", {"callback_url": "javascript:alert(1)"}),
    ("callback_url", {"callback_url": "http://10.0.0.5/hook"}),
    ("image_url", {"mode": "i2v", "image_url": "not an address"}),
    ("image_url", {"mode": "i2v", "image_url": "file:///etc/passwd"}),
    ("image_url", {"mode": "i2v", "image_url": "http://192.168.0.1/a.jpg"}),
    ("image_url", {"mode": "i2v", "image_url": "http://[::ffff:169.254.169.254]/a.jpg"}),
    ("image_url", {"mode": "i2v", "image_url": "http://2130706433/a.jpg"}),
    ("image_url", {"mode": "i2v", "image_url": "https://user:pass@example.com/a.jpg"}),
    ("image_url", {"mode": "i2v", "image_url": "https://[bad/a.jpg"}),
    ("image_url", {"mode": "i2v", "image_url": "data:text/html;base64,PGh0bWw+"}),
    ("image_url", {"mode": "i2v", "image_url": "data:image/png;base64,!!!"}),
    ("audio_url", {"mode": "i2v", "image_url": IMAGE, "audio_url": "data:image/png;base64,AAAA"}),
    ("content", {"content": [{"type": "text", "text": "A fox"}]}),
]


@pytest.mark.parametrize(("param", "fields"), WRONG)
def test_a_wrong_field_is_named_and_nothing_is_kept(program, ark, param, fields):
    body = assert_refused(program.create({**T2V, **fields}), 400)

    assert body["error"]["param"] == param
    assert not VideoTask.objects.exists()


@pytest.mark.parametrize(
    ("param", "content"),
    [
        ("content", []),
        ("content[0]", ["A fox"]),
        ("content[0]", [{"type": "draft_task"}]),
        ("content[0].text", [{"type": "text"}]),
        (
            "content[1]",
            [{"type": "text", "text": "A"}, {"type": "image_url", "image_url": {"url": IMAGE}, "role": "x"}],
        ),
        ("content[10]", [{"type": "text", "text": "A"}] + [{"type": "image_url", "image_url": {"url": IMAGE}}] * 10),
        ("prompt", [{"type": "image_url", "image_url": {"url": IMAGE}}]),
    ],
)
def test_a_wrong_piece_of_content_is_named(program, ark, param, content):
    body = assert_refused(program.create({"model": T2V["model"], "content": content}), 400)

    assert body["error"]["param"] == param


def test_a_model_nobody_knows_is_not_found(program, ark):
    assert assert_refused(program.create({**T2V, "model": "sora"}), 404, "model_not_found")["error"]["param"] == "model"


@pytest.mark.parametrize("raw", ["", "{", "[]", '{"prompt": NaN}', "[" * 500, b"\xff"])
def test_a_body_that_is_no_request_is_refused(program, ark, raw):
    assert_refused(program.create(raw), 400)


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "é"])
def test_an_idempotency_key_has_visible_ascii(program, ark, key):
    answer = program.client.post(program.path, T2V, content_type="application/json", headers={"idempotency-key": key})

    assert assert_refused(answer, 400)["error"]["param"] == "Idempotency-Key"
