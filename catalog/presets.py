"""Providers that many people connect, with the addresses their documentation gives. Picking one fills the form in.

Servers of one's own stand at the ports they listen on unless told otherwise.
"""

from dataclasses import dataclass

from accounts.models import Provider

Kind = Provider.Kind


@dataclass(frozen=True, slots=True)
class Preset:
    """`slug` stands in addresses."""

    slug: str
    name: str
    base_url: str
    kind: Kind = Kind.OPENAI_COMPATIBLE
    is_own_server: bool = False


PRESETS = (
    Preset("emma18", "EMMA18", "https://emma18.com/api/v1", Kind.EMMA18),
    Preset("openai", "OpenAI", "https://api.openai.com/v1"),
    Preset("openrouter", "OpenRouter", "https://openrouter.ai/api/v1"),
    Preset("deepseek", "DeepSeek", "https://api.deepseek.com/v1"),
    Preset("groq", "Groq", "https://api.groq.com/openai/v1"),
    Preset("together", "Together", "https://api.together.xyz/v1"),
    Preset("mistral", "Mistral", "https://api.mistral.ai/v1"),
    Preset("ollama", "Ollama", "http://127.0.0.1:11434/v1", is_own_server=True),
    Preset("vllm", "vLLM", "http://127.0.0.1:8000/v1", is_own_server=True),
    Preset("lm-studio", "LM Studio", "http://127.0.0.1:1234/v1", is_own_server=True),
    Preset("llama-cpp", "llama.cpp", "http://127.0.0.1:8080/v1", is_own_server=True),
    Preset("litellm", "LiteLLM", "http://127.0.0.1:4000/v1", is_own_server=True),
)


def named(slug: str) -> Preset | None:
    return next((preset for preset in PRESETS if preset.slug == slug), None)
