"""Which labels are the most probable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vidlab.core.probabilities import most_probable

# Few values, so that many are equal; both ways of finding them.
TABLES = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
    elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]),
)


@given(table=TABLES, num=st.integers(1, 40))
def test_ties_come_in_the_order_of_their_numbers(table: np.ndarray, num: int) -> None:
    num = min(num, table.shape[1])
    before = table.copy()
    found = most_probable(table, num)
    expected = [sorted(range(len(row)), key=lambda each: (-row[each], each))[:num] for row in table]
    assert found.tolist() == expected
    np.testing.assert_array_equal(table, before)


@pytest.mark.parametrize("num", [1, 16, 17])
def test_there_may_be_no_rows(num: int) -> None:
    assert most_probable(np.empty((0, 20), np.float32), num).shape == (0, num)
