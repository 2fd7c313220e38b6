"""openai-python against the running server."""

import openai
import pytest

MESSAGES = [{"role": "user", "content": "Hello!"}]


@pytest.fixture
def client(api):
    with openai.OpenAI(api_key=api.key, base_url=api.base_url, max_retries=0, timeout=20) as client:
        yield client


def test_plain_reply(client, provider):
    reply = client.chat.completions.create(model="plain/small", messages=MESSAGES)

    assert reply.choices[0].message.content.startswith("Hello from the provider")
    assert reply.model == "plain/small"


def test_streamed_reply(client):
    stream = client.chat.completions.create(model="plain/small", messages=MESSAGES, stream=True)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream).startswith("Hello from the provider")
