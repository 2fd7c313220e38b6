"""The gateways ours is measured beside: which versions, how they are installed and how they are started.

Each is installed from its registry by the ordinary client into a folder of its own, once for its pins, and started as
its own documents say, as lean as they allow: LiteLLM with a master key and no database, Portkey without a key.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import install
from tests.bench import upstream
from tests.bench.contender import Contender, started
from tests.server import free_port

LITELLM = "1.106.0"  # the newest 1.106 whose own pins could be had when this was written
PORTKEY = "1.15.2"
# Portkey only asks for some 1.x of it. With 1.14 and later no stream gets through Portkey on Node 20.
HONO_NODE_SERVER = "1.13.8"


@dataclass(frozen=True, slots=True)
class Peer:
    """`pins` decide whether an installation is still the right one."""

    name: str
    version: str
    pins: str
    install: Callable[[Path], None]
    command: Callable[[Path, Path, int, int], list[str]]  # (folder, scratch folder, port, the upstream's port)
    environment: dict[str, str]
    headers: Callable[[int], dict[str, str]]

    @contextmanager
    def running(self, into: Path, scratch: Path, *, upstream_port: int) -> Iterator[Contender]:
        """Raises Missing, with what to do, when it cannot be installed or started."""
        folder = install.installed(self.name, into / self.name.lower(), self.pins, self.install)
        port = free_port()
        contender = Contender(self.name, self.version, port, "/v1/chat/completions", self.headers(upstream_port))
        command = self.command(folder, scratch, port, upstream_port)
        # Nothing of this installation's settings or of the person's environment is told to somebody else's program.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(scratch), **self.environment}
        with started(contender, command, environment, log=scratch / f"{self.name}.log"):
            yield contender


def _install_litellm(folder: Path) -> None:
    install.from_pypi(folder, f"litellm[proxy]=={LITELLM}")


def _litellm(folder: Path, scratch: Path, port: int, upstream_port: int) -> list[str]:
    where = {"api_base": f"http://127.0.0.1:{upstream_port}/v1", "api_key": "sk-upstream"}
    models = [{"model_name": name, "litellm_params": {"model": f"openai/{name}", **where}} for name in upstream.STREAMS]
    config = scratch / "litellm.yaml"  # JSON is YAML
    config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": "sk-bench"}}))
    options = {"config": str(config), "host": "127.0.0.1", "port": str(port), "num_workers": "1", "telemetry": "False"}
    # By its Python, as a script's first line may be too long for the kernel in a deep folder.
    python, script = str(folder / "bin" / "python"), str(folder / "bin" / "litellm")
    return [python, script, *(part for name, value in options.items() for part in (f"--{name}", value))]


def _install_portkey(folder: Path) -> None:
    install.from_npm(folder, {"@portkey-ai/gateway": PORTKEY}, overrides={"@hono/node-server": HONO_NODE_SERVER})


def _portkey(folder: Path, scratch: Path, port: int, upstream_port: int) -> list[str]:
    entry = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    return ["node", str(entry), f"--port={port}", "--headless"]


PEERS = [
    Peer(
        name="LiteLLM",
        version=LITELLM,
        pins=f"litellm {LITELLM}",
        install=_install_litellm,
        command=_litellm,
        # Its list of prices comes with it; without this it would be fetched from the internet.
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"},
        headers=lambda port: {"authorization": "Bearer sk-bench"},
    ),
    Peer(
        name="Portkey",
        version=PORTKEY,
        pins=f"portkey {PORTKEY} hono {HONO_NODE_SERVER}",
        install=_install_portkey,
        command=_portkey,
        environment={"NODE_ENV": "production"},
        headers=lambda port: {
            "authorization": "Bearer sk-upstream",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{port}/v1",
        },
    ),
]
