"""Nothing read from disk can run code: no pickle, and loaders that could unpickle are told not to."""

import ast
from pathlib import Path

import pytest
from fresh_python import ROOT

SOURCES = sorted([
    *(ROOT / "model").rglob("*.py"),
    *(ROOT / "benchmarks").rglob("*.py"),
    *ROOT.glob("*.py"),
])
UNPICKLERS = frozenset({"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"})
SWITCHES = {
    "np.load": ("allow_pickle", False),
    "np.save": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
}
"""What each of these calls must say, whatever its default is."""
UNPICKLING_METHODS = frozenset({"read_pickle", "to_pickle", "load_from_checkpoint"})
"""By their last name, whatever they are called on."""
EVALUATORS = frozenset({"eval", "exec"})
"""By their whole name: a network's own `eval()` is another thing."""


def find_offences(source: str) -> list[str]:
    """`line: what` for everything in a module that reads or writes pickles, or might."""
    offences = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            offences += [f"{node.lineno}: {name}" for name in names if name.split(".")[0] in UNPICKLERS]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).replace("numpy.", "np.")
            if called in EVALUATORS or called.rpartition(".")[2] in UNPICKLING_METHODS:
                offences.append(f"{node.lineno}: {called}")
            if called in SWITCHES:
                name, wanted = SWITCHES[called]
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                value = given.get(name)
                if not isinstance(value, ast.Constant) or value.value is not wanted:
                    offences.append(f"{node.lineno}: {called} without {name}={wanted}")
    return offences


@pytest.mark.parametrize(
    ("source", "offence"),
    [
        ("import pickle", "1: pickle"),
        ("from joblib.numpy_pickle import load", "1: joblib.numpy_pickle"),
        ("def f():\n    import shelve as s", "2: shelve"),
        ("np.load(path)", "1: np.load without allow_pickle=False"),
        ("numpy.load(path, allow_pickle=True)", "1: np.load without allow_pickle=False"),
        ("np.load(path, allow_pickle=flag)", "1: np.load without allow_pickle=False"),
        ("torch.load(path)", "1: torch.load without weights_only=True"),
        ("pandas.read_pickle(path)", "1: pandas.read_pickle"),
        ("Module.load_from_checkpoint(path)", "1: Module.load_from_checkpoint"),
        ("eval(text)", "1: eval"),
    ],
)
def test_find_offences_sees_it_when_a_module_may_unpickle(source: str, offence: str) -> None:
    """The rule below rests on it."""
    assert find_offences(source) == [offence]


def test_find_offences_sees_nothing_when_loaders_are_told_so() -> None:
    """What the project does: a network's `eval()` is no evaluation of text."""
    source = (
        "np.load(p, mmap_mode='r', allow_pickle=False)\ntorch.load(p, weights_only=True)\nnetwork.eval()\n"
    )
    assert find_offences(source) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_reads_no_pickle_when_searched(path: Path) -> None:
    """In everything that is shipped."""
    assert find_offences(path.read_text(encoding="utf-8")) == []
