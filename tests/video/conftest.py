"""Synthetic videos, written once per session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from synthetic import KINDS, make_video


class Sample(NamedTuple):
    path: Path
    pts_seconds: list[float]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Sample]:
    """A function from a kind of synthetic video to its path and true timestamps."""
    folder = tmp_path_factory.mktemp("synthetic")
    made: dict[str, Sample] = {}

    def get(kind: str) -> Sample:
        if kind not in made:
            path = folder / f"{kind}{KINDS[kind].suffix}"
            made[kind] = Sample(path, make_video(path, kind=kind))
        return made[kind]

    return get
