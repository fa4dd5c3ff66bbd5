"""What an operator can set: one environment variable a field, read once by handler.py, all optional.

docs/operation.md has the same list as a table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.errors import ConfigError
from model.serving.logs import LEVELS

DEFAULT_BUNDLE: Final = Path("artifacts/bundle")

_SWITCH: Final = {"on": True, "1": True, "off": False, "0": False}
_DAY: Final = 86_400
_SECONDS = re.compile(r"\d{1,5}(\.\d{1,3})?", re.ASCII)
_KEY_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+", re.ASCII)
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:]+\](:\d{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service is to behave; the defaults are for one person on their own machine."""

    bundle: Path = DEFAULT_BUNDLE
    """MODEL_BUNDLE: the folder that export.py wrote."""
    key_hashes: tuple[bytes, ...] = ()
    """MODEL_API_KEYS: the SHA-256 of each key that is let in, 64 hexadecimal digits each, separated by commas
    or spaces; `python -m model.serving.keys` makes one. None: no key is asked for."""
    allow_open: bool = False
    """MODEL_ALLOW_OPEN: whether a service without keys may answer requests from other machines."""
    cors_origins: tuple[str, ...] = ()
    """MODEL_CORS_ORIGINS: origins whose web pages may call the service, such as https://example.com, or * for
    all; separated by commas or spaces. None: no other page may."""
    docs: bool = True
    """MODEL_DOCS: whether /docs and /openapi.json are there."""
    base_path: str = ""
    """MODEL_BASE_PATH: on Lambda, what a custom domain's mapping or a load balancer's rule puts before every
    path, such as /recommender. A stage is recognised without it; uvicorn has `--root-path` for the same."""
    show_users: bool = False
    """MODEL_SHOW_USERS: whether clients may see ids and ratings of the bundle's users."""
    reload_seconds: float = 10.0
    """MODEL_RELOAD_SECONDS: how often a server looks for a new bundle in the place of the one it serves; 0:
    never. On Lambda nobody looks: a function's files never change."""
    log_level: str = "info"
    """MODEL_LOG_LEVEL: what is logged: debug, info (a line for each request), warning or error."""
    share_metrics: bool = False
    """PROMETHEUS_MULTIPROC_DIR: set where several processes count together, in the folder that it names."""
    function_name: str = ""
    """AWS_LAMBDA_FUNCTION_NAME: set by Lambda; empty elsewhere."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings; a variable that is empty counts as not set.

    Args:
        environment: variables by name, such as `os.environ`.

    Raises:
        ConfigError: if a value makes no sense; names the variable, the value and what is accepted.
    """
    defaults = Settings()
    return Settings(
        bundle=Path(environment.get("MODEL_BUNDLE") or defaults.bundle),
        key_hashes=_read_key_hashes(environment),
        allow_open=_read_switch(environment, "MODEL_ALLOW_OPEN", default=defaults.allow_open),
        cors_origins=_read_origins(environment),
        docs=_read_switch(environment, "MODEL_DOCS", default=defaults.docs),
        base_path=_read_base_path(environment),
        show_users=_read_switch(environment, "MODEL_SHOW_USERS", default=defaults.show_users),
        reload_seconds=_read_seconds(environment, "MODEL_RELOAD_SECONDS", default=defaults.reload_seconds),
        log_level=_read_log_level(environment, default=defaults.log_level),
        share_metrics=bool(environment.get("PROMETHEUS_MULTIPROC_DIR")),
        function_name=environment.get("AWS_LAMBDA_FUNCTION_NAME", ""),
    )


def _read_switch(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environment.get(name)
    if not text:
        return default
    if text.lower() not in _SWITCH:
        raise ConfigError(f"{name} is {text!r}: expected {', '.join(_SWITCH)}")
    return _SWITCH[text.lower()]


def _read_seconds(environment: Mapping[str, str], name: str, *, default: float) -> float:
    text = environment.get(name)
    if not text:
        return default
    if not _SECONDS.fullmatch(text) or float(text) > _DAY:
        raise ConfigError(f"{name} is {text!r}: expected 0 to {_DAY} seconds, such as 10 or 0.5")
    return float(text)


def _read_log_level(environment: Mapping[str, str], *, default: str) -> str:
    text = environment.get("MODEL_LOG_LEVEL")
    if not text:
        return default
    if text.lower() not in LEVELS:
        raise ConfigError(f"MODEL_LOG_LEVEL is {text!r}: expected {', '.join(LEVELS)}")
    return text.lower()


def _read_list(environment: Mapping[str, str], name: str) -> list[str]:
    text = environment.get(name)
    if not text:
        return []
    if values := text.replace(",", " ").split():
        return values
    raise ConfigError(f"{name} is {text!r}: expected at least one value, or nothing at all")


def _read_key_hashes(environment: Mapping[str, str]) -> tuple[bytes, ...]:
    texts = _read_list(environment, "MODEL_API_KEYS")
    for position, text in enumerate(texts, start=1):
        if not _KEY_HASH.fullmatch(text):
            # the text itself stays out of the log: it may be a key where its hash should be
            raise ConfigError(
                f"MODEL_API_KEYS, entry {position}, is {len(text)} characters that are no SHA-256: expected "
                "64 hexadecimal digits, as `python -m model.serving.keys` prints"
            )
    return tuple(bytes.fromhex(text) for text in texts)


def _read_origins(environment: Mapping[str, str]) -> tuple[str, ...]:
    origins = _read_list(environment, "MODEL_CORS_ORIGINS")
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ConfigError(
                f"MODEL_CORS_ORIGINS has {origin!r}: expected origins such as https://example.com or "
                "http://localhost:3000, without a path, or *"
            )
    return tuple(origins)


def _read_base_path(environment: Mapping[str, str]) -> str:
    text = environment.get("MODEL_BASE_PATH") or ""
    path = text.strip("/")
    if not path:
        return ""
    if not _BASE_PATH.fullmatch(f"/{path}"):
        raise ConfigError(
            f"MODEL_BASE_PATH is {text!r}: expected a path such as /recommender, of letters, digits, "
            "dots, dashes, underscores and tildes"
        )
    return f"/{path}"
