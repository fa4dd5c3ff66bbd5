"""Who may import whom, as DESIGN 5 has it."""

import ast
import json
from pathlib import Path

import pytest
from fresh_python import ROOT, run_fresh

MODEL = ROOT / "model"
TRAINING_PACKAGES = ("torch", "pandas", "lightning", "pytorch_lightning", "sklearn", "numba", "onnx")
"""What the image does not install, and the serving path therefore cannot import."""

COMMANDS = {MODEL / "describe.py", MODEL / "score.py"}
"""Commands in the package that put the core and a side together; nothing imports them."""


def find_imports(path: Path) -> set[str]:
    """Every module that a file imports anywhere, its functions included, as full dotted names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def find_offenders(folder: Path, *, banned: tuple[str, ...], exempt: set[Path] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """`file imports module` for each import of a banned package below a folder."""
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted(set(folder.rglob("*.py")) - exempt)
        for name in sorted(find_imports(path))
        if f"{name}.".startswith(tuple(f"{package}." for package in banned))
    ]


def test_find_imports_sees_every_form_when_imports_differ(tmp_path: Path) -> None:
    """The rule below rests on it: plain, from, aliased and local imports are found."""
    source = "import a.b\nfrom c import d as e\ndef f():\n    import g as h\n    from i.j import k\n"
    (tmp_path / "module.py").write_text(source)
    assert find_imports(tmp_path / "module.py") == {"a.b", "c.d", "g", "i.j.k"}


def test_core_imports_neither_side_when_read() -> None:
    """The core knows nothing of training and serving."""
    sides = set((MODEL / "training").rglob("*.py")) | set((MODEL / "serving").rglob("*.py"))
    offenders = find_offenders(MODEL, banned=("model.training", "model.serving"), exempt=sides | COMMANDS)
    assert offenders == []


@pytest.mark.parametrize(("side", "other"), [("training", "serving"), ("serving", "training")])
def test_side_never_imports_the_other_when_read(side: str, other: str) -> None:
    """Training and serving do not know each other."""
    assert list((MODEL / side).glob("*.py")) != []
    assert find_offenders(MODEL / side, banned=(f"model.{other}",)) == []


def test_commands_are_imported_by_nobody_when_read() -> None:
    """A command that joins core and serving is no way around the rule."""
    banned = tuple(f"model.{path.stem}" for path in COMMANDS)
    assert find_offenders(MODEL, banned=banned) == []


def test_serving_imports_no_training_package_when_started() -> None:
    """All that handler.py imports, in a fresh interpreter, brings in no package of the training extra."""
    code = """
import ast, importlib, json, sys
for node in ast.parse(open("handler.py").read()).body:
    if isinstance(node, ast.ImportFrom):
        importlib.import_module(node.module)
print(json.dumps(sorted(name.partition(".")[0] for name in sys.modules)))
"""
    finished = run_fresh(code)
    assert finished.returncode == 0, finished.stderr
    loaded = set(json.loads(finished.stdout))
    assert {"model", "onnxruntime", "fastapi"} <= loaded
    assert loaded.isdisjoint(TRAINING_PACKAGES)


def test_environment_is_read_by_the_handler_only_when_serving() -> None:
    """What an operator sets enters through `Settings`: nothing in model/serving reads the environment."""
    readers = {"environ", "environb", "getenv"}
    sets_one = MODEL / "serving" / "sessions.py"  # for onnxruntime, and reads none
    offenders = [
        f"{path.name}, line {node.lineno}"
        for path in sorted(set((MODEL / "serving").rglob("*.py")) - {sets_one})
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in readers)
        or (isinstance(node, ast.ImportFrom) and any(name.name in readers for name in node.names))
    ]
    assert offenders == []


@pytest.mark.parametrize("command", ["train", "export"])
def test_commands_load_no_torch_when_imported(command: str) -> None:
    """Help and mistakes are answered at once: PyTorch, which takes seconds, is loaded when there is work."""
    finished = run_fresh(f"import sys, {command}; print(sorted(set(sys.modules) & {set(TRAINING_PACKAGES)}))")
    assert (finished.returncode, finished.stdout) == (0, "[]\n"), finished.stderr
