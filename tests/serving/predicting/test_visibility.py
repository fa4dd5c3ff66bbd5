"""What a prediction may see: nothing from the cut day on, and never the rating that is asked for."""

import pytest
from bundle_rows import list_rows, unrated_pairs, with_rows

from model.bundle import Bundle
from model.serving.predictor import Predictor, Query


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_future_ratings_never_change_a_prediction_when_history_is_cut(
    bundle: Bundle, predictor: Predictor, share: float
) -> None:
    """With `as_of`, ratings from that day on may be absent or any stars: nothing changes, to the last bit."""
    rows = list_rows(bundle.history)
    cut = sorted(row.day for row in rows)[int(share * len(rows))]
    past = [row for row in rows if row.day < cut]
    twisted = [row if row.day < cut else row._replace(stars=6 - row.stars) for row in rows]
    pairs = [(row.user, row.movie) for row in rows[::25]] + unrated_pairs(rows, 30)
    cut_queries = [Query(user_id=user, movie_id=movie, as_of=cut) for user, movie in pairs]
    expected = predictor.predict(cut_queries)
    assert with_rows(bundle, twisted).predict(cut_queries) == expected
    uncut_queries = [query._replace(as_of=None, day=cut) for query in cut_queries]
    assert with_rows(bundle, past).predict(uncut_queries) == expected
    assert len(past) < len(rows)


def test_rating_of_the_cut_day_is_invisible_when_as_of_is_that_day(
    bundle: Bundle, predictor: Predictor
) -> None:
    """`as_of` is strict: a day later the rating counts."""
    row = list_rows(bundle.history)[-1]
    other = next(movie for movie in bundle.history.movie_ids.tolist() if movie != row.movie)
    [on_the_day, day_after] = predictor.predict([
        Query(user_id=row.user, movie_id=other, as_of=row.day),
        Query(user_id=row.user, movie_id=other, as_of=row.day + 1),
    ])
    same_day = sum(1 for each in list_rows(bundle.history) if each.user == row.user and each.day == row.day)
    assert day_after.n_user_ratings - on_the_day.n_user_ratings in {same_day, same_day - 1}
    assert day_after.n_user_ratings > on_the_day.n_user_ratings


def test_own_rating_is_invisible_when_its_pair_is_asked(bundle: Bundle, predictor: Predictor) -> None:
    """Another rating of the same pair, or none, gives the same prediction, to rounding."""
    rows = list_rows(bundle.history)
    for place in range(0, len(rows), 150):
        row = rows[place]
        query = Query(user_id=row.user, movie_id=row.movie)
        [expected] = predictor.predict([query])
        changed = [
            *rows[:place],
            row._replace(stars=6 - row.stars if row.stars != 3 else 5),
            *rows[place + 1 :],
        ]
        for other_rows in (changed, rows[:place] + rows[place + 1 :]):
            [seen] = with_rows(bundle, other_rows).predict([query])
            assert seen.predicted_rating == pytest.approx(expected.predicted_rating, abs=1e-5)
            assert seen.neighbours == expected.neighbours
            assert seen.n_user_ratings == expected.n_user_ratings
            assert seen.n_movie_ratings == expected.n_movie_ratings
