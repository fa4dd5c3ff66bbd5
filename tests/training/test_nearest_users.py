"""Lists of nearest users, by hand; tests/test_quick.py holds answers from such lists to plain loops."""

import pytest
from builders import Rated, make_history

from model.training.nearest_users import is_worth_listing, list_nearest_users
from model.views import view_history

ROWS = [
    *(Rated(1, movie, stars) for movie, stars in ((10, 5), (11, 4), (12, 3))),
    # three gaps of 0, twice: the lower id comes first
    *(Rated(user, movie, stars) for user in (7, 2) for movie, stars in ((10, 5), (11, 4), (12, 3))),
    # gaps 1, 0 and 0
    *(Rated(3, movie, stars) for movie, stars in ((10, 4), (11, 4), (12, 3))),
    # a gap of 0 and two that are missing: 2 x 3.5
    Rated(4, 10, 5),
    # nothing in common: 3 x 3.5
    Rated(5, 13, 2),
]
LISTED = [(2, 0, 3, 0), (7, 0, 3, 0), (3, 1, 3, 1), (4, 7, 1, 0), (5, 10.5, 0, 0)]
"""User 1's: user, distance, common movies, sum of gaps."""


@pytest.mark.parametrize("most_listed", [1, 2, 3, 4, 5, 256])
def test_list_is_in_order_of_distance_when_short_or_long(most_listed: int) -> None:
    """By distance, then by id; cut where it is full, everybody else where it is not."""
    history = make_history(ROWS)
    listed = list_nearest_users(history, view_history(history), most_listed=most_listed)
    assert listed.shape == (6, 4, min(most_listed, 5))
    assert [
        (int(history.user_ids[user]), distance / 2, common, gap_sum / 2)
        for user, distance, common, gap_sum in listed[0].T.tolist()
    ] == LISTED[:most_listed]


def test_list_breaks_ties_by_closeness_when_distances_are_equal() -> None:
    """Users 2 and 3 both are at distance 0; user 2's fourth gap is 4 stars, user 3's 1 star."""
    same = [Rated(user, movie, 3) for user in (1, 2, 3) for movie in (10, 11, 12)]
    history = make_history([*same, Rated(1, 13, 5), Rated(2, 13, 1), Rated(3, 13, 4)])
    listed = list_nearest_users(history, view_history(history))
    assert history.user_ids[listed[0, 0]].tolist() == [3, 2]


@pytest.mark.parametrize(("n_common", "bits"), [(7_281, 16), (7_282, 32)])
def test_list_takes_as_many_bits_as_its_sums_of_gaps_need(n_common: int, bits: int) -> None:
    """Half a star against five: 9 half stars a movie, 27 in three; 9 x 7,282 = 65,538 is beyond 16 bits."""
    history = make_history([
        Rated(user, movie, stars) for movie in range(1, n_common + 1) for user, stars in ((1, 0.5), (2, 5))
    ])
    listed = list_nearest_users(history, view_history(history))
    assert listed.dtype.itemsize * 8 == bits
    assert listed[:, :, 0].tolist() == [[1, 27, n_common, 9 * n_common], [0, 27, n_common, 9 * n_common]]


@pytest.mark.parametrize(("most_work", "worth"), [(217, True), (216, False)])
def test_lists_are_worth_it_when_the_work_is_bounded(most_work: int, *, worth: bool) -> None:
    """Movies of 4 raters and 1, and five users: 4 x 4 + 1 x 1 + 8 x 5 x 5 = 217."""
    history = make_history([*(Rated(user, 10, 3) for user in (1, 2, 3, 4)), Rated(5, 11, 3)])
    assert is_worth_listing(history, most_work=most_work) is worth


def test_lists_are_not_worth_it_when_there_is_nobody_else() -> None:
    """A single user has no neighbours."""
    assert not is_worth_listing(make_history([Rated(1, 10, 3)]))
