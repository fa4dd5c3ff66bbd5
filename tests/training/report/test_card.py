"""The model card: what it says of settings, held-out rows and the machine."""

import dataclasses
import platform

import numpy as np
import pytest
import torch
from tiny_run import TINY_CONFIG, change_training

from model.config import RunConfig
from model.training.report import card
from model.training.report.card import Card, describe_environment, find_changes, write_card
from model.training.report.document import Gallery, Table

CARD = Card(
    created="2005-02-03 12:00 UTC",
    origin="made up",
    terms="None.",
    n_duplicates=2,
    split="random",
    held_out_rows=900,
    test_rows=900,
    training_seconds=1.25,
    features="seed",
    n_weights=1_234,
    settings=RunConfig().to_json(),
    changed=frozenset({"seed"}),
    environment={"Python": "3"},
    data_fingerprint="aa",
    weights_sha256="bb",
)


def read_facts(shown: Card) -> dict[str, str]:
    """The rows of all tables of the card, by the first cell."""
    [gallery] = [block for block in write_card(shown).blocks if isinstance(block, Gallery)]
    tables = [item for item in gallery.items if isinstance(item, Table)]
    return {first: rest[0] for table in tables for first, *rest in table.rows}


def test_card_lists_facts_and_settings_when_written() -> None:
    """Each setting is a flag; the one that was changed says so."""
    facts = read_facts(CARD)
    assert facts["held out"] == "900 ratings (random)"
    assert facts["trained"] == "2005-02-03 12:00 UTC, in 1.2 s"
    assert facts["features"] == "seed: the five seed features"
    assert (facts["--seed"], facts["--n-folds"]) == ("1, changed", "10")
    assert (facts["data fingerprint"], facts["SHA-256 of network.ckpt"]) == ("aa", "bb")


@pytest.mark.parametrize(
    ("held_out", "test", "expected"),
    [
        (0, 0, "nothing: trained on everything given"),
        (900, 400, "900 ratings (random), measured on 400 of them: all rows of users drawn at random"),
    ],
)
def test_card_says_what_was_measured_on_when_it_is_not_all(held_out: int, test: int, expected: str) -> None:
    """Nothing held out, or some of the rows drawn."""
    facts = read_facts(dataclasses.replace(CARD, held_out_rows=held_out, test_rows=test))
    assert facts["held out"] == expected


def test_changes_are_the_settings_that_are_no_defaults_when_found() -> None:
    """None of the defaults; of the tiny configuration one of each section, among others."""
    assert find_changes(RunConfig()) == frozenset()
    assert {"rank", "epochs"} <= find_changes(TINY_CONFIG)
    assert find_changes(change_training(seed=9)) - find_changes(TINY_CONFIG) == {"seed"}


def test_environment_has_versions_and_no_name_of_the_machine_when_described(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Versions as the libraries themselves have them, and the accelerator where there is one."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a fast one")
    found = describe_environment()
    assert torch.__version__.startswith(found["torch"])  # which may add the build, as in 2.13.0+cpu
    assert found["numpy"] == np.__version__
    assert found["Python"] == platform.python_version()
    assert found["accelerator"] == "a fast one"
    assert platform.node() not in found.values()


def test_environment_says_so_when_a_package_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code may run from a checkout that was never installed."""
    monkeypatch.setattr(card, "PACKAGE", "no-such-package-anywhere")
    assert describe_environment()["no-such-package-anywhere"] == "not installed as a package"
