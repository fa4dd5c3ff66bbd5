"""The whole report as a document: key figures, what stands out, then every section."""

from model.training.evaluation import LINES
from model.training.heads import COVERAGE
from model.training.report.background import write_data, write_learning
from model.training.report.card import write_card
from model.training.report.collect import Facts
from model.training.report.document import Bullets, Document, KeyFigure, Section
from model.training.report.findings import find_findings
from model.training.report.results import write_accuracy, write_calibration, write_importance
from model.training.report.singles import write_examples


def write_document(facts: Facts) -> Document:
    """Say the facts of a run.

    Args:
        facts: what `collect_facts` found.
    """
    test = facts.test
    middle: tuple[Section, ...] = ()
    if test is not None:
        middle = (
            write_accuracy(test, facts.own),
            write_calibration(test.calibration),
            write_importance(test.importance),
            write_examples(test.examples, facts.summary.scale),
        )
    return Document(
        title="Training report",
        subtitle=f"{LINES[facts.own]} · split: {facts.card.split} · {facts.card.created}",
        key_figures=tuple(_list_key_figures(facts)),
        sections=(
            Section("findings", "In short", (Bullets(tuple(find_findings(facts))),)),
            *middle,
            write_learning(facts.curves, facts.own),
            write_data(facts.summary),
            write_card(facts.card),
        ),
    )


def _list_key_figures(facts: Facts) -> list[KeyFigure]:
    summary, test = facts.summary, facts.test
    figures = [
        KeyFigure(f"{summary.n_ratings:,}", "ratings trained on"),
        KeyFigure(f"{summary.n_movies:,}", f"movies rated by {summary.n_users:,} users"),
        KeyFigure(f"{facts.card.training_seconds:.1f} s", "training"),
    ]
    if test is None:
        return figures
    by_name = {line.name: line for line in test.accuracy.lines}
    own, biases = by_name[facts.own], by_name["biases"]
    margin = "" if own.margin is None else f" ± {own.margin:.3f}"
    # where the biases are never wrong, nothing is a share of their error
    change = f"{own.rmse / biases.rmse - 1:+z.1%}" if biases.rmse else f"{own.rmse:+.4f}"
    return [
        KeyFigure(f"{own.rmse:.4f}", f"RMSE{margin} on {test.n_rows:,} test rows"),
        KeyFigure(change, f"RMSE against user and movie biases ({biases.rmse:.4f})"),
        KeyFigure(
            f"{test.calibration.coverage[0].share:.1%}",
            f"of ratings inside the {COVERAGE * 100:.0f} % interval",
        ),
        *figures,
    ]
