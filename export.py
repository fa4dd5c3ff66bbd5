"""Turn a finished run into the bundle that handler.py serves, and prove that both predict the same."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from model.cli import Parser, add_output_flags, print_result, run_command
from model.errors import ArtifactMissingError
from model.outputs import check_output_folder
from model.progress import track_items
from model.training.runs import find_newest_run, require_run

RUNS = Path("artifacts/runs")
BUNDLE = Path("artifacts/bundle")
EXAMPLES = {
    "": f"the newest run, to {BUNDLE}",
    "--run artifacts/runs/mine --output artifacts/bundles/mine --json": "a certain run; the outcome as JSON",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = Parser(prog="export.py", description=__doc__ or "", examples=EXAMPLES)
    parser.add_argument("--run", type=Path, help=f"the run folder (default: the newest in {RUNS})")
    parser.add_argument(
        "--output", type=Path, default=BUNDLE, help="the bundle's folder (default: %(default)s)"
    )
    add_output_flags(parser, "what was exported")
    flags = parser.parse_args(argv)

    def export() -> None:
        run = flags.run or find_newest_run(RUNS)
        if run is None:
            raise ArtifactMissingError(f"there is no finished run in {RUNS}: run train.py first")
        check_output_folder(flags.output)
        require_run(run)
        # only now: they take seconds, which help and a mistake can do without
        for package in track_items(("torch", "onnx", "numba"), "loading PyTorch", unit="packages"):
            importlib.import_module(package)
        from model.training.onnx_export import export_run  # ruff: ignore[import-outside-top-level]

        manifest = export_run(run, flags.output)
        parity = manifest["parity"]
        size = sum(file.stat().st_size for file in flags.output.rglob("*") if file.is_file())
        facts = {"run": str(run), "bundle": str(flags.output), "bytes": size, "parity": parity}
        text = (
            f"exported {run} to {flags.output} ({size / 1e6:.1f} MB)\n"
            f"torch and onnxruntime differ by at most {parity['largest_difference']:.1e} stars "
            f"on {parity['rows']} rows"
        )
        print_result(facts, text, as_json=flags.json)

    return run_command(export, prog="export.py", verbose=flags.verbose)


if __name__ == "__main__":
    sys.exit(main())
