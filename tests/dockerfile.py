"""Replays a Dockerfile without a container engine, in a folder and a fresh environment."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from deploy.dockerfile import Step

PATIENCE = 600
"""Seconds until a RUN step is given up."""


@dataclass(slots=True)
class Replay:
    """Carries out the steps of a Dockerfile."""

    source: Path
    """The build context."""
    task_root: Path
    """Stands for /var/task; RUN steps run in it, as in the base image."""
    binaries: Path
    """Stands for the base image's /var/lang/bin: comes first on PATH."""
    environment: dict[str, str] = field(default_factory=dict)
    """What ENV steps set, and LAMBDA_TASK_ROOT, which the base image sets."""
    command: list[str] = field(default_factory=list)
    """What CMD says."""

    def run(self, steps: list[Step], *, instead: dict[str, Path]) -> None:
        """Carry out all steps.

        Args:
            steps: the Dockerfile.
            instead: sources to copy from elsewhere than the build context, such as a bundle.
        """
        self.task_root.mkdir(parents=True)
        self.environment["LAMBDA_TASK_ROOT"] = str(self.task_root)
        for step in steps:
            match step.word:
                case "COPY":
                    *sources, target = step.rest.split()
                    for source in sources:
                        self._copy(instead.get(source, self.source / source), Path(self._expand(target)))
                case "RUN":
                    self._run(step.rest)
                case "ENV":
                    name, _, value = step.rest.partition("=")
                    self.environment[name] = self._expand(value)
                case "CMD":
                    self.command = json.loads(step.rest)
                case "FROM" | "USER":
                    pass  # the interpreter and the user are this machine's
                case _:
                    raise AssertionError(f"teach the replay what {step.word} means")

    def _copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)

    def _run(self, command: str) -> None:
        environment = {
            **os.environ,
            **self.environment,
            "PATH": f"{self.binaries}{os.pathsep}{os.environ['PATH']}",
        }
        finished = subprocess.run(
            ["sh", "-c", command],
            cwd=self.task_root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert finished.returncode == 0, f"{command}\n{finished.stdout}\n{finished.stderr}"

    def _expand(self, text: str) -> str:
        return re.sub(r"\$\{(\w+)\}", lambda found: self.environment[found[1]], text)
