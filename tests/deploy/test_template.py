"""template.yaml: what cfn-lint says of it, and that it and the code speak of the same things."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import decode
from fresh_python import ROOT

from deploy.dockerfile import find_python_version, read_steps
from model.serving.settings import Settings, read_settings

TEMPLATE = ROOT / "template.yaml"
STEPS = read_steps(ROOT / "Dockerfile")


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """The template, its !Ref and !If as CloudFormation's long forms."""
    decoded, problems = decode(str(TEMPLATE))
    assert problems == []
    assert decoded is not None
    plain: dict[str, Any] = json.loads(json.dumps(decoded))
    return plain


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    """Run cfn-lint with every rule, its hints included."""
    return subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "--", path],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_template_passes_cfn_lint_when_checked_with_every_rule() -> None:
    """No error, no warning, no hint."""
    finished = lint(TEMPLATE)
    assert (finished.returncode, finished.stdout) == (0, ""), finished.stdout + finished.stderr


def test_cfn_lint_finds_a_mistake_when_there_is_one(tmp_path: Path) -> None:
    """The check above can fail: a function that does not exist is found."""
    broken = TEMPLATE.read_text().replace("!Ref ZipFunction.Alias", "!Ref NoFunction.Alias")
    (tmp_path / "template.yaml").write_text(broken)
    assert "NoFunction.Alias" in lint(tmp_path / "template.yaml").stdout


def test_template_names_a_handler_that_can_be_called_when_the_function_is_a_zip(
    template: dict[str, Any],
) -> None:
    """Handler is a module at the zip's root and a function in it, the one that the image's command names."""
    handler = template["Resources"]["ZipFunction"]["Properties"]["Handler"]
    [command] = [step.rest for step in STEPS if step.word == "CMD"]
    assert json.loads(command) == [handler]
    module, _, name = handler.partition(".")
    defined = ast.parse((ROOT / f"{module}.py").read_text()).body
    assert [node.name for node in defined if isinstance(node, ast.FunctionDef) and node.name == name]


def test_template_runs_the_images_python_when_the_function_is_a_zip(template: dict[str, Any]) -> None:
    """Zip and image run the same Python, on the architecture that the zip's packages are for."""
    runtime = template["Resources"]["ZipFunction"]["Properties"]["Runtime"]
    assert runtime == f"python{find_python_version(STEPS)}"
    assert template["Globals"]["Function"]["Architectures"] == ["x86_64"]


def test_template_sets_variables_that_the_service_reads_when_deployed(template: dict[str, Any]) -> None:
    """Each variable is one of the settings' own, and its parameter's default and choices are accepted."""
    documented = "".join(
        line for line in (ROOT / "model/serving/settings.py").read_text().splitlines() if '"""MODEL_' in line
    )
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert {name for name in variables if f'"""{name}:' not in documented} == set()
    for name, value in variables.items():
        parameter = template["Parameters"][value["Ref"]]
        for choice in parameter.get("AllowedValues", [parameter["Default"]]):
            read_settings({name: choice})
    defaults = {name: template["Parameters"][value["Ref"]]["Default"] for name, value in variables.items()}
    assert read_settings(defaults) == Settings()


def find_references(value: object) -> set[str]:
    """Names of all parameters and resources that a part of the template refers to."""
    if isinstance(value, dict):
        own = {value["Ref"]} if isinstance(value.get("Ref"), str) else set()
        return own.union(*map(find_references, value.values()))
    return set().union(*map(find_references, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("name", ["ZipFunction", "ImageFunction"])
def test_template_publishes_a_version_when_a_parameter_of_the_function_changes(
    template: dict[str, Any], name: str
) -> None:
    """Every parameter that the function is made of, uploads aside, is in its version's description."""
    parameters = template["Parameters"]
    function = dict(template["Resources"][name]["Properties"])
    description = function.pop("VersionDescription")["Fn::Sub"]
    named = re.findall(r"\$\{(\w+)\}", description)
    used = find_references([function, template["Globals"]["Function"]]) & set(parameters)
    # ReservedConcurrency belongs to the function whatever its version is.
    assert used - {"CodeBucket", "CodeKey", "ImageUri", "ReservedConcurrency"} <= set(named)
    longest = sum(
        parameters[each].get("MaxLength")
        or max(map(len, map(str, parameters[each].get("AllowedValues", [parameters[each].get("MaxValue")]))))
        for each in named
    )
    assert longest + len(re.sub(r"\$\{\w+\}", "", description)) <= 256


def test_template_lets_the_function_do_nothing_but_log_when_deployed(template: dict[str, Any]) -> None:
    """The role has one policy of one statement, on the function's own log group."""
    role = template["Resources"]["FunctionRole"]["Properties"]
    assert "ManagedPolicyArns" not in role
    [policy] = role["Policies"]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert statement["Resource"] == {"Fn::GetAtt": ["FunctionLogs", "Arn"]}
    for name in ("ZipFunction", "ImageFunction"):
        function = template["Resources"][name]["Properties"]
        assert function["Role"] == {"Fn::GetAtt": ["FunctionRole", "Arn"]}
        assert "Policies" not in function


def test_template_is_closed_when_nobody_says_otherwise(template: dict[str, Any]) -> None:
    """Callers sign their requests by default, and the API lets through only so many."""
    assert template["Parameters"]["Authorization"]["Default"] == "AWS_IAM"
    resources = template["Resources"]
    assert resources["Route"]["Properties"]["AuthorizationType"] == {"Ref": "Authorization"}
    limits = resources["Stage"]["Properties"]["DefaultRouteSettings"]
    assert limits == {
        "ThrottlingRateLimit": {"Ref": "RateLimit"},
        "ThrottlingBurstLimit": {"Ref": "BurstLimit"},
    }


def test_template_lets_the_function_end_first_when_a_request_takes_long(template: dict[str, Any]) -> None:
    """The longest timeout of the function is shorter than the API's, so that its refusal arrives."""
    longest = template["Parameters"]["Timeout"]["MaxValue"]
    assert longest * 1_000 < template["Resources"]["Integration"]["Properties"]["TimeoutInMillis"]
