"""Write the report of a run into its folder."""

from pathlib import Path

from model.progress import track_step
from model.training.report.as_html import render_html
from model.training.report.as_markdown import render_markdown
from model.training.report.collect import FinishedRun, collect_facts
from model.training.report.sections import write_document

HTML = "report.html"
MARKDOWN = "report.md"


def write_report(folder: Path, run: FinishedRun) -> None:
    """Write report.html and report.md.

    Args:
        folder: an existing folder.
        run: what the run leaves.
    """
    with track_step("writing the report"):
        document = write_document(collect_facts(run))
        (folder / HTML).write_text(render_html(document), encoding="utf-8")
        (folder / MARKDOWN).write_text(render_markdown(document), encoding="utf-8")
