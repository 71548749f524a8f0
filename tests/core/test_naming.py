from __future__ import annotations

import pytest

from vidlab.core.naming import shortest_names


@pytest.mark.parametrize(
    ("candidates", "names"),
    [
        ([("torch", "a", "torch:a"), ("litert", "a", "litert:a")], ["torch", "litert"]),
        ([("torch", "a", "torch:a"), ("torch", "b", "torch:b")], ["a", "b"]),
        (
            [("torch", "a", "torch:a"), ("litert", "a", "litert:a"), ("torch", "b", "torch:b")],
            ["torch:a", "litert:a", "torch:b"],
        ),
        ([("torch", "a", "torch:a"), ("torch", "a", "torch:a")], ["torch:a #1", "torch:a #2"]),
        ([("torch", "a")], ["torch"]),
        ([], []),
    ],
)
def test_the_shortest_that_tells_them_apart(candidates, names) -> None:
    assert shortest_names(candidates) == names
