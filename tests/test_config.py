"""The settings of a run."""

import dataclasses
import json
from typing import Any

import pytest

from model.cli import Parser
from model.config import NetworkConfig, RunConfig, TrainingConfig, add_config_flags, read_config_flags
from model.errors import ConfigError


def make_parser() -> Parser:
    """A command with the flags of all settings."""
    parser = Parser(prog="train.py", description="")
    add_config_flags(parser)
    return parser


def replace_training(name: str, value: float) -> TrainingConfig:
    """The default training with one setting changed."""
    changed: dict[str, Any] = {name: value}
    return TrainingConfig(**changed)


def test_flags_give_the_defaults_when_none_is_set() -> None:
    """A command without flags is the default configuration."""
    assert read_config_flags(make_parser().parse_args([])) == RunConfig()


def test_defaults_are_the_contract_s() -> None:
    """Without flags: split latest, all features, whatever accelerator there is."""
    training = TrainingConfig()
    assert (training.split, training.features, training.accelerator) == ("latest", "full", "auto")


def test_flags_set_their_settings_when_given() -> None:
    """Text, whole numbers and fractions each reach their field, in both sections."""
    flags = make_parser().parse_args([
        *("--split", "period:2004-01-01"),
        *("--features", "seed"),
        *("--epochs", "7"),
        *("--seed", "12"),
        *("--accelerator", "cpu"),
        *("--learning-rate", "1e-4"),
        *("--rank", "3"),
    ])
    config = read_config_flags(flags)
    assert config.training == TrainingConfig(
        split="period:2004-01-01", features="seed", epochs=7, seed=12, accelerator="cpu", learning_rate=1e-4
    )
    assert config.network == NetworkConfig(rank=3)


def test_flags_exist_for_every_setting_with_its_meaning() -> None:
    """Each field is a flag, and the flag's help is the field's documentation."""
    actions = {action.dest: action for action in make_parser()._actions}
    for section in (TrainingConfig, NetworkConfig):
        for setting in dataclasses.fields(section):
            action = actions[setting.name]
            assert action.option_strings == [f"--{setting.name.replace('_', '-')}"]
            assert isinstance(action.help, str)
            assert setting.metadata["meaning"] in action.help


@pytest.mark.parametrize(
    "arguments", [["--features", "all"], ["--accelerator", "tpu"], ["--epochs", "many"], ["--epochs", "1.5"]]
)
def test_flags_refuse_with_one_line_when_value_is_no_choice_or_number(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2 and one line that names the flag and the value."""
    with pytest.raises(SystemExit) as caught:
        make_parser().parse_args(arguments)
    assert caught.value.code == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert arguments[0] in complaint
    assert arguments[1] in complaint


@pytest.mark.parametrize(
    ("name", "lowest"),
    [
        ("epochs", 1),
        ("seed", 0),
        ("n_folds", 2),
        ("head_rows", 1),
        ("sampler_ratings", 1),
        ("burn_in", 0),
        ("thinning", 1),
        ("batch_size", 1),
        ("patience", 1),
    ],
)
def test_training_config_refuses_when_a_count_is_below_its_lowest(name: str, lowest: int) -> None:
    """The lowest is accepted; the error for one less names setting, value and limit."""
    assert getattr(replace_training(name, lowest), name) == lowest
    with pytest.raises(ConfigError, match=f"{name} is {lowest - 1}: expected {lowest} or more"):
        replace_training(name, lowest - 1)


@pytest.mark.parametrize(
    ("name", "lowest"), [("rank", 1), ("n_samples", 2), ("hidden_size", 1), ("n_heads", 1)]
)
def test_network_config_refuses_when_a_size_is_below_its_lowest(name: str, lowest: int) -> None:
    """The lowest is accepted; the error for one less names setting, value and limit."""
    assert getattr(NetworkConfig(**{name: lowest}), name) == lowest
    with pytest.raises(ConfigError, match=f"{name} is {lowest - 1}: expected {lowest} or more"):
        NetworkConfig(**{name: lowest - 1})


def test_training_config_refuses_when_there_are_more_folds_than_fit_a_byte() -> None:
    """Folds are kept as int8, so 127 of them are the most; more would be counted wrong."""
    assert TrainingConfig(n_folds=127).n_folds == 127
    with pytest.raises(ConfigError, match="n_folds is 128"):
        TrainingConfig(n_folds=128)


def test_training_config_refuses_when_seed_needs_more_than_four_bytes() -> None:
    """2 ** 32 - 1 is the last seed."""
    assert TrainingConfig(seed=2**32 - 1).seed == 4_294_967_295
    with pytest.raises(ConfigError, match="seed is 4294967296: expected less than 4294967296"):
        TrainingConfig(seed=2**32)


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay"])
@pytest.mark.parametrize("value", [-1e-9, float("nan"), float("inf")])
def test_training_config_refuses_when_a_rate_is_no_number_from_zero(name: str, value: float) -> None:
    """Negative, infinite and undefined rates are named in the error."""
    with pytest.raises(ConfigError, match=f"{name} is {value}: expected a finite number, 0 or more"):
        replace_training(name, value)


def test_config_survives_json_when_written_and_read() -> None:
    """What enters a manifest as JSON comes back as the same configuration."""
    config = RunConfig(
        network=NetworkConfig(rank=4), training=TrainingConfig(split="none", seed=9, weight_decay=0.5)
    )
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("network", {"colour": "red"}),
        ("training", {"rank": 3}),
        ("training", {"epochs": "many"}),
        ("training", {"epochs": 0}),
    ],
)
def test_from_json_refuses_when_a_setting_is_unknown_or_makes_no_sense(
    section: str, change: dict[str, object]
) -> None:
    """A configuration of another version is one clear error."""
    stored = RunConfig().to_json()
    stored[section] |= change
    with pytest.raises(ConfigError, match=next(iter(change)) if change != {"epochs": "many"} else "not fit"):
        RunConfig.from_json(stored)


@pytest.mark.parametrize("section", ["network", "training"])
def test_from_json_refuses_when_a_section_is_missing(section: str) -> None:
    """The error names the section."""
    stored = RunConfig().to_json()
    del stored[section]
    with pytest.raises(ConfigError, match=section):
        RunConfig.from_json(stored)


def test_read_config_flags_refuses_when_a_setting_makes_no_sense() -> None:
    """A number that parses but is out of range is a ConfigError."""
    flags = make_parser().parse_args(["--epochs", "0"])
    with pytest.raises(ConfigError, match="epochs is 0"):
        read_config_flags(flags)
