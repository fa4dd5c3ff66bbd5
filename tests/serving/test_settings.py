"""What the environment may say, and what is refused."""

from pathlib import Path

import pytest

from model.errors import ConfigError
from model.serving.settings import Settings, read_settings

HASH = "AB" * 32
OTHER_HASH = "01" * 32


def test_settings_are_the_defaults_when_nothing_or_only_emptiness_is_set() -> None:
    """A variable that is set to nothing, as templates do, counts as not set."""
    empty = dict.fromkeys(
        ("MODEL_BUNDLE", "MODEL_API_KEYS", "MODEL_ALLOW_OPEN", "MODEL_CORS_ORIGINS", "MODEL_LOG_LEVEL"), ""
    )
    assert read_settings({}) == read_settings(empty) == Settings()


def test_settings_hold_each_value_when_all_are_set() -> None:
    """Lists are separated by commas, spaces or both; switches are on, off, 1 or 0."""
    settings = read_settings({
        "MODEL_BUNDLE": "elsewhere/bundle",
        "MODEL_API_KEYS": f"{HASH}, {OTHER_HASH}",
        "MODEL_ALLOW_OPEN": "1",
        "MODEL_CORS_ORIGINS": "https://example.com http://localhost:3000,http://[::1]:8000",
        "MODEL_DOCS": "OFF",
        "MODEL_BASE_PATH": "api/recommender/",
        "MODEL_SHOW_USERS": "on",
        "MODEL_RELOAD_SECONDS": "0.5",
        "MODEL_LOG_LEVEL": "Warning",
        "PROMETHEUS_MULTIPROC_DIR": "somewhere",
        "AWS_LAMBDA_FUNCTION_NAME": "my-function",
        "UNRELATED": "left alone",
    })
    assert settings == Settings(
        bundle=Path("elsewhere/bundle"),
        key_hashes=(b"\xab" * 32, b"\x01" * 32),
        allow_open=True,
        cors_origins=("https://example.com", "http://localhost:3000", "http://[::1]:8000"),
        docs=False,
        base_path="/api/recommender",
        show_users=True,
        reload_seconds=0.5,
        log_level="warning",
        share_metrics=True,
        function_name="my-function",
    )


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("MODEL_ALLOW_OPEN", "please", "on, 1, off, 0"),
        ("MODEL_DOCS", " on", "on, 1, off, 0"),
        ("MODEL_LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("MODEL_RELOAD_SECONDS", "-1", "0 to 86400 seconds"),
        ("MODEL_RELOAD_SECONDS", "nan", "0 to 86400 seconds"),
        ("MODEL_RELOAD_SECONDS", "86401", "0 to 86400 seconds"),
        ("MODEL_API_KEYS", "my-secret-key", "64 hexadecimal digits"),
        ("MODEL_API_KEYS", HASH + HASH, "64 hexadecimal digits"),
        ("MODEL_API_KEYS", " , ", "at least one value"),
        ("MODEL_CORS_ORIGINS", "example.com", "https://example.com"),
        ("MODEL_CORS_ORIGINS", "https://example.com/page", "without a path"),
        ("MODEL_CORS_ORIGINS", "https://*.example.com", "https://example.com"),
        ("MODEL_BASE_PATH", "/a b", "such as /recommender"),
        ("MODEL_BASE_PATH", "https://example.com/a", "such as /recommender"),
    ],
)
def test_settings_are_refused_when_a_value_makes_no_sense(name: str, value: str, accepted: str) -> None:
    """The error names the variable and what would be accepted."""
    with pytest.raises(ConfigError, match=name) as refusal:
        read_settings({name: value})
    assert accepted in str(refusal.value)


def test_settings_keep_a_key_out_of_the_message_when_it_stands_where_its_hash_should() -> None:
    """The message ends in a log, so it counts the characters and does not repeat them."""
    with pytest.raises(ConfigError, match="entry 2, is 13 characters") as refusal:
        read_settings({"MODEL_API_KEYS": f"{HASH},my-secret-key"})
    assert "my-secret-key" not in str(refusal.value)
