"""Numbering ids and sorting by group: in blocks, and the same as at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import progress
from model.grouping import find_offsets, list_ids, number_days, number_ids, place_by_group
from model.progress import Step


def make_step() -> Step:
    """A step that nobody looks at."""
    return Step("sorting", total=None, unit="rows")


@pytest.mark.parametrize("ids", [[7, 3, 7, 1], [], [1], [2**40, 5, 2**40]])
def test_number_ids_numbers_them_ascending_when_small_or_huge(ids: list[int]) -> None:
    """The different ids ascend, and each row's number leads back to its id."""
    given_ids = np.array(ids, dtype=np.int64)
    step = make_step()
    different, numbers = number_ids(given_ids, step, worth=0.5)
    assert different.tolist() == list_ids(given_ids).tolist() == sorted(set(ids))
    assert different[numbers].tolist() == ids
    assert step.done == len(ids) / 2


@pytest.mark.parametrize("n_groups", [5, 70_000])
@given(data=st.data())
def test_place_by_group_sorts_stably_when_rows_come_in_several_blocks(
    n_groups: int, data: st.DataObject
) -> None:
    """By hand: Python's stable sort of the row numbers; groups beyond 16 bits too."""
    group = st.sampled_from([0, 1, 2, n_groups // 2, n_groups - 1])
    groups = data.draw(st.lists(group, max_size=12))
    rows_by_group = np.full(len(groups), -1)
    step = make_step()
    column = np.array(groups, dtype=np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress.Step.go_through, "__kwdefaults__", {"worth": 1.0, "at_once": 3})
        for rows, places in place_by_group(column, find_offsets(column, n_groups), step):
            assert len(rows) <= 3
            rows_by_group[places] = rows
    assert rows_by_group.tolist() == sorted(range(len(groups)), key=groups.__getitem__)
    assert step.done == len(groups)


def test_find_offsets_says_where_groups_begin_when_some_are_empty() -> None:
    """Group 0 has two rows, 1 none, 2 one."""
    assert find_offsets(np.array([2, 0, 0]), 3).tolist() == [0, 2, 2, 3]


def test_number_days_counts_from_the_first_when_days_span_all_of_16_bits() -> None:
    """-32,768 is day 0 and 32,767 is day 65,535: the difference is read without a sign."""
    groups, offsets = number_days(np.array([32_767, -32_768, 0, -32_768], dtype=np.int16))
    assert groups.tolist() == [65_535, 0, 32_768, 0]
    assert (len(offsets), offsets[1], offsets[-1]) == (65_537, 2, 4)
