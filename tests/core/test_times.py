from __future__ import annotations

import pytest

from vidlab.core.times import clock


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00.000"), (61.2345, "01:01.234"), (3599.9996, "1:00:00.000"),
        (-0.5, "-00:00.500"), (-0.0001, "00:00.000"),
    ],
)  # fmt: skip
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
