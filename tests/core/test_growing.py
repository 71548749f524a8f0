"""Rows that are added for hours are arrays in the end."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidlab.core import growing
from vidlab.core.growing import GrowingRows

ROW = np.dtype([("number", np.int64), ("kind", np.int8), ("values", np.float32, (3,))])


@given(chunks=st.lists(st.integers(0, 9), max_size=20), block_bytes=st.integers(1, 300))
def test_all_rows_come_back_in_order(chunks: list[int], block_bytes: int) -> None:
    rows, numbers = GrowingRows(ROW), np.arange(sum(chunks))
    values = np.random.default_rng(0).normal(size=(len(numbers), 3)).astype(np.float32)
    first = 0
    with mock.patch.object(growing, "_BLOCK_BYTES", block_bytes):
        for size in chunks:
            at = slice(first, first + size)
            rows.add(size, number=numbers[at].tolist(), kind=size, values=values[at])
            first += size
    assert len(rows) == len(numbers)
    found = rows.take()
    assert [array.dtype for array in found.values()] == [np.int64, np.int8, np.float32]
    np.testing.assert_array_equal(found["number"], numbers)
    np.testing.assert_array_equal(found["kind"], np.repeat(chunks, chunks))
    np.testing.assert_array_equal(found["values"], values)
    assert len(rows) == 0
    assert {name: array.shape for name, array in rows.take().items()} == {
        "number": (0,), "kind": (0,), "values": (0, 3)
    }  # fmt: skip


def test_of_rows_that_could_not_be_set_none_counts() -> None:
    rows = GrowingRows(ROW)
    rows.add(1, number=1, kind=1, values=1.0)
    with pytest.raises(ValueError, match="broadcast"):
        rows.add(2, number=2, kind=2, values=np.zeros((5, 3)))
    rows.add(1, number=3, kind=3, values=3.0)
    assert rows.take()["number"].tolist() == [1, 3]
