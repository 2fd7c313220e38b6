"""Settings: all of them documented, bad values stop the start by name, and a public installation passes the audit."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ["manage.py", "emma18_site", "accounts", "catalog", "chat", "upstream", "tests"]
# Whole names as they are read, not beginnings of names as in startswith("EMMA18_…").
READ = re.compile(r"""(?<!startswith\()["'](EMMA18_[A-Z0-9]+(?:_[A-Z0-9]+)*)["']""")
ROW = re.compile(r"^\| `(EMMA18_\w+)` \|", re.MULTILINE)


def variables_read() -> set[str]:
    files = [path for source in SOURCES for path in [ROOT / source, *(ROOT / source).rglob("*.py")] if path.is_file()]
    return {name.removesuffix("_FILE") for path in files for name in READ.findall(path.read_text(encoding="utf-8"))}


def test_every_variable_that_is_read_is_documented_and_the_other_way_round():
    documented = ROW.findall((ROOT / "docs" / "settings.md").read_text(encoding="utf-8"))

    assert sorted(documented) == sorted(variables_read())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMMA18_BODY_STALL_S", "soon"),
        ("EMMA18_KEEP_ALIVE_S", "16"),
        ("EMMA18_DEBUG", "maybe"),
        ("EMMA18_SIGNUP", "closed"),
        ("EMMA18_LOG_LEVEL", "LOUD"),
        ("EMMA18_LISTEN_PORT", "http"),
        ("EMMA18_LISTEN_PORT", "65536"),
        ("EMMA18_PUBLIC_URL", "emma18.example.org"),
        ("EMMA18_PUBLIC_URL", "https://emma18.example.org/app"),
        ("EMMA18_PUBLIC_URL", "https://emma18.example.org:port"),
        ("EMMA18_ALLOWED_HOSTS", "https://emma18.example.org"),
        ("EMMA18_EGRESS_ALLOW", "10.0.0.0/99"),
        ("EMMA18_EGRESS_ALLOW", "ollama.lan"),
        ("EMMA18_DATABASE_URL", "mysql://host/name"),
        ("EMMA18_DATABASE_URL", "postgresql://host:port/name"),
        ("EMMA18_REDIS_URL", "127.0.0.1:6379"),
        ("EMMA18_SMTP_URL", "mail.example.org"),
        ("EMMA18_SMTP_URL", "smtp://mail.example.org:port"),
        ("EMMA18_MAIL_FROM", "nobody"),
        ("EMMA18_SECRET_KEY", "short"),
        ("EMMA18_DATA_DIR", "/dev/null/data"),
    ],
)
def test_bad_value_stops_the_start_by_name(python, name, value):
    started = python("-c", "import django; django.setup()", **{name: value})

    assert started.returncode != 0
    last_line = started.stderr.strip().splitlines()[-1]
    assert name in last_line
    assert "ImproperlyConfigured" in last_line


def test_secret_may_stand_in_a_file_and_a_missing_file_is_named(python, tmp_path):
    (tmp_path / "key").write_text("k" * 60 + "\n")
    show = "from django.conf import settings; print(settings.SECRET_KEY)"

    read = python("-c", show, EMMA18_SECRET_KEY_FILE=str(tmp_path / "key"))
    missing = python("-c", show, EMMA18_SECRET_KEY_FILE=str(tmp_path / "absent"))

    assert read.stdout.strip() == "k" * 60
    assert "EMMA18_SECRET_KEY_FILE" in missing.stderr.splitlines()[-1]


def test_secrets_are_made_once_and_readable_by_their_owner_only(python, tmp_path):
    show = "from django.conf import settings; print(settings.SECRET_KEY, settings.MASTER_KEYS)"

    first, second = (python("-c", show).stdout for _ in range(2))

    assert first == second != ""
    assert (tmp_path / "data" / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_public_installation_passes_the_deployment_audit(python):
    audit = python(
        "-m", "django", "check", "--deploy", "--fail-level", "WARNING", "--database", "default",
        EMMA18_PUBLIC_URL="https://emma18.example.org",
    )  # fmt: skip

    assert audit.returncode == 0, audit.stderr
    assert "System check identified no issues" in audit.stdout + audit.stderr


def test_egress_guard_hears_what_the_settings_allow(python):
    show = "import django; django.setup(); from upstream import egress; print(*egress.allowed, sep=chr(10))"

    at_home = python("-c", show, EMMA18_EGRESS_ALLOW="10.0.0.5, [fd12::1]:8000").stdout
    on_the_network = python("-c", show, EMMA18_LISTEN_HOST="0.0.0.0").stdout

    open_to_strangers = python("-c", show, EMMA18_SIGNUP="open").stdout

    assert at_home.splitlines() == ["10.0.0.5/32", "fd12::1/128 port 8000", "127.0.0.0/8", "::1/128"]
    assert on_the_network.split() == open_to_strangers.split() == []
