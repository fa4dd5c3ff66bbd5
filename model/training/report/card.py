"""The model card: where the model comes from, under what terms, what for, and what it is made with."""

import importlib.metadata
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch

from model.config import RunConfig
from model.table import Origin
from model.training.evaluation import LINES
from model.training.report.document import Bullets, Gallery, Heading, Paragraph, Section, Table

PACKAGE = "netflix-prize-recommender"
LIBRARIES = ("numpy", "numba", "torch", "pytorch-lightning", "pandas")
"""What takes part in training."""

MADE_UP_TERMS = "Made up by this project: nothing restricts the use of these ratings."
TERMS = {
    Origin.NETFLIX_PRIZE: (
        "The files have the form of the Netflix Prize's. Its licence is for research; it asks to be "
        "acknowledged in publications, and bars redistribution, and commercial use without Netflix's "
        "permission. A run and a bundle hold the ratings, so this goes for them too."
    ),
    Origin.MOVIELENS: (
        "The files have the form of MovieLens'. GroupLens' licence is for research; it asks to be "
        "acknowledged in publications and bars commercial use without permission. The 100K and 1M sets may "
        "not be redistributed, newer ones only under the same terms: the README beside the files says "
        "which. A run and a bundle hold the ratings, so this goes for them too."
    ),
    Origin.OTHER: (
        "The files do not say whose ratings these are. Whatever holds for them holds for a run and a "
        "bundle, which contain them: ratings drawn from the Netflix Prize or MovieLens 1M may not be "
        "redistributed."
    ),
}
"""What may be done with the ratings, by the licences in the data sets' own README files."""

INTENDED_USE = (
    (
        "Predicts the stars that a user would give a movie: users of the same data set, and others who "
        "send a few ratings of its movies along."
    ),
    (
        "Not for judging people or the merit of movies. A low RMSE does not by itself make good "
        "recommendations: nothing here measures the order of a list."
    ),
)
LIMITS = (
    "People rate what they chose to watch. The figures hold for such movies, not for any movie at random.",
    "Users and movies with few ratings are predicted less well: see the RMSE by ratings known.",
    "Tastes change. The model knows nothing after the last day of its data.",
    "80 % is an average over many ratings; it is no promise about a single one.",
    (
        "A run and a bundle hold everybody's ratings, and this report shows a few. Ratings can identify "
        "people even without names (Narayanan and Shmatikov, IEEE Symposium on Security and Privacy 2008): "
        "treat all three as personal data."
    ),
)


@dataclass(frozen=True, slots=True)
class Card:
    """What else somebody must know who uses the model."""

    created: str
    """Day and time, UTC."""
    origin: str
    """Whose form the files had."""
    terms: str
    n_duplicates: int
    """Ratings left out because the same user rated the same movie again later."""
    split: str
    held_out_rows: int
    """Ratings not trained on."""
    test_rows: int
    """Those of them that were measured on."""
    training_seconds: float
    """Those of interrupted attempts included."""
    features: str
    """The feature set."""
    n_weights: int
    """Numbers that the heads and intervals learned by gradient."""
    settings: dict[str, dict[str, Any]]
    """The configuration by section."""
    changed: frozenset[str]
    """The settings that are not the defaults."""
    environment: dict[str, str]
    """Versions by name."""
    data_fingerprint: str
    weights_sha256: str


def describe_environment() -> dict[str, str]:
    """The versions of what took part, and the kind of machine; neither its name nor any path."""
    versions = {PACKAGE: _find_version(PACKAGE), "Python": platform.python_version()}
    versions |= {name: _find_version(name) for name in LIBRARIES}
    versions["machine"] = f"{platform.system()} {platform.machine()}"
    if torch.cuda.is_available():
        versions["accelerator"] = torch.cuda.get_device_name()
    return versions


def find_changes(config: RunConfig) -> frozenset[str]:
    """The names of the settings that differ from the defaults."""
    defaults = RunConfig().to_json()
    return frozenset(
        name
        for section, settings in config.to_json().items()
        for name, value in settings.items()
        if value != defaults[section][name]
    )


def tell_time() -> str:
    """Now, to the minute, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def write_card(card: Card) -> Section:
    """The model card as a section."""
    facts = Table(
        head=("", ""),
        rows=(
            ("features", f"{card.features}: {LINES[card.features]}"),
            ("trained", f"{card.created}, in {card.training_seconds:.1f} s"),
            ("learned by gradient", f"{card.n_weights:,} weights of heads and intervals"),
            (
                "ratings",
                f"{card.origin}; {card.n_duplicates:,} given twice, of which the later ones are kept",
            ),
            ("held out", _describe_held_out(card)),
            ("data fingerprint", card.data_fingerprint),
            ("SHA-256 of network.ckpt", card.weights_sha256),
        ),
        caption="The model",
        is_numeric=False,
    )
    settings = Table(
        head=("", ""),
        rows=tuple(
            (f"--{name.replace('_', '-')}", f"{value}{', changed' if name in card.changed else ''}")
            for section in card.settings.values()
            for name, value in section.items()
        ),
        caption="Settings of train.py",
        is_numeric=False,
    )
    environment = Table(
        head=("", ""),
        rows=tuple(card.environment.items()),
        caption="Environment",
        is_numeric=False,
    )
    return Section(
        "card",
        "Model card",
        (
            Heading("Intended use"),
            Bullets(INTENDED_USE),
            Heading("Limits"),
            Bullets(LIMITS),
            Heading("Terms of the data"),
            Paragraph(card.terms),
            Gallery((facts, settings, environment)),
        ),
    )


def _describe_held_out(card: Card) -> str:
    if not card.held_out_rows:
        return "nothing: trained on everything given"
    held_out = f"{card.held_out_rows:,} ratings ({card.split})"
    if card.test_rows < card.held_out_rows:
        held_out += f", measured on {card.test_rows:,} of them: all rows of users drawn at random"
    return held_out


def _find_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed as a package"
