"""Rows that are added for hours, a few at a time, and are arrays in the end."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What is reserved at a time; only what is filled takes memory.
_BLOCK_BYTES = 4 << 20


@dataclass
class _Block:
    rows: NDArray[np.void]
    num_filled: int = 0


class GrowingRows:
    """Takes rows of one type, and gives them as arrays, in little more than those arrays' memory.

    Lists take several times as much, and so may an array that grows: where the C library moves it,
    its old place stays with the process. These blocks come from the system itself, and go back to
    it one by one as they are joined.

    Args:
        dtype: Of a row, with named fields.
    """

    def __init__(self, dtype: np.dtype[np.void]) -> None:
        self._dtype = dtype
        self._blocks: list[_Block] = []

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(block.num_filled for block in self._blocks)

    def add(self, num_rows: int, **fields: Any) -> None:
        """Add some rows: all of them, or none where Ctrl-C comes in between.

        Args:
            num_rows: How many.
            fields: For each field its value, or its values for all of these rows.
        """
        block = self._blocks[-1] if self._blocks else None
        if block is None or block.num_filled + num_rows > len(block.rows):
            capacity = max(num_rows, _BLOCK_BYTES // self._dtype.itemsize, 1)
            memory = mmap.mmap(-1, capacity * self._dtype.itemsize)
            block = _Block(np.frombuffer(memory, self._dtype))
            self._blocks.append(block)
        rows = block.rows[block.num_filled : block.num_filled + num_rows]
        for name, values in fields.items():
            rows[name] = values
        block.num_filled += num_rows

    def take(self) -> dict[str, NDArray[Any]]:
        """Return all rows, one array ``[num_rows, ...]`` for each field, and keep none."""
        shapes = {name: self._dtype[name] for name in self._dtype.names or ()}
        arrays = {
            name: np.empty((len(self), *kind.shape), kind.base) for name, kind in shapes.items()
        }
        first = 0
        while self._blocks:
            block = self._blocks.pop(0)
            stop = first + block.num_filled
            for name, array in arrays.items():
                array[first:stop] = block.rows[name][: block.num_filled]
            first = stop
        return arrays
