"""What programs call themselves, as receipts and the Keys page show it."""

import pytest

from accounts import clients


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        (("OpenAI/Python 3.54.0", "python", "3.54.0"), "openai-python 3.54"),
        (("AsyncOpenAI/Python 2.54.0",), "openai-python 2.54"),
        (("OpenAI/JS 7.55.0", "js", "7.55.0"), "openai-node 7.55"),
        (("OpenAI/Go 3.52.0", "go", "3.52.0"), "openai-go 3.52"),
        (("nightly-report", "python", "3.54.0"), "openai-python 3.54"),
        (("curl/8.11.1",), "curl 8.11"),
        (("ai-sdk/openai-compatible/2.0.41 runtime/node.js/22",), "ai-sdk/openai-compatible 2.0"),
        (("python-httpx/0.28.1",), "python-httpx 0.28"),
        (("Mozilla/5.0 (X11; Linux x86_64)",), "a browser"),
        (("nightly-report",), "nightly-report"),
        (("sk-4mXq8hTzB1nWcK7vRj2LpE6yGdUaS9fQo3iN5kHt",), ""),
        (("<script>alert(1)</script>",), ""),
        (("",), ""),
    ],
)
def test_a_program_is_known_by_the_name_its_sdk_goes_by(headers, name):
    assert clients.named(*headers) == name


def test_a_name_of_any_length_fits_into_its_column():
    assert len(clients.named("x" * 5000)) <= clients.LONGEST
    assert len(clients.named(f"{'x' * 5000}/{'1' * 5000}")) <= clients.LONGEST
