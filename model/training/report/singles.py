"""The section of single predictions."""

from model.table import RatingScale
from model.training.report.charts import Picture, draw_prediction
from model.training.report.document import Figure, Gallery, Heading, Paragraph, Section, Table
from model.training.report.examples import Example, Examples

LEGEND = (
    "◆ is the rating given, ● the prediction in its 80 % interval, ○ what the nearest users who rated the "
    "movie gave. No user and no movie occurs twice among the best, nor among the worst."
)


def write_examples(examples: Examples, scale: RatingScale) -> Section:
    """Single predictions, with what they rest on."""
    blocks: list[Heading | Paragraph | Gallery] = [Paragraph(LEGEND)]
    for title, chosen in (
        ("Best: closer than user and movie biases by most", examples.best),
        ("Worst: furthest off", examples.worst),
    ):
        if chosen:
            figures = tuple(draw_example(example, scale) for example in chosen)
            blocks += [Heading(title), Gallery(figures)]
    return Section("examples", "Single predictions", tuple(blocks))


def draw_example(example: Example, scale: RatingScale) -> Figure:
    """One prediction as a picture, in words, and its neighbours as a table."""
    title = example.title if example.year is None else f"{example.title} ({example.year})"
    picture = Picture(
        lowest=scale.low,
        highest=scale.high,
        actual=example.actual,
        predicted=example.predicted,
        interval=(example.low, example.high),
        neighbours=tuple(near.rating for near in example.neighbours),
    )
    known = f"{example.n_user_ratings:,} ratings of the user were known"
    if example.era_mean is not None:
        known += f" (era mean {example.era_mean:.1f}, {example.era})"
    neighbours = Table(
        head=("neighbour", "gave", "distance", "common movies"),
        rows=tuple(
            (str(rank), f"{near.rating:g}", f"{near.distance:g}", f"{near.common_movies:,}")
            for rank, near in enumerate(example.neighbours, start=1)
        ),
    )
    return Figure(
        title,
        draw_prediction(
            picture, words=f"{title}: rated {example.actual:g}, predicted {example.predicted:.2f}"
        ),
        f"Rated {example.actual:g}, predicted {example.predicted:.2f} ({example.low:.1f} to "
        f"{example.high:.1f}), by biases alone {example.biases:.2f}. {known}, {example.n_movie_ratings:,} "
        "of the movie.",
        neighbours if example.neighbours else None,
    )
