"""Compare what is installed with a list of versions that have a known hole.

usage: audit.py

The list lies beside this file, for machines without a network. Packages in a list of their own
environment are meant: all that is installed beside this Python, direct or not.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

LIST = Path(__file__).with_name("known_vulnerabilities.toml")


@dataclass(frozen=True, kw_only=True)
class Hole:
    """A known hole.

    Attributes:
        package: Name on PyPI.
        affected: Versions that have it.
        id: What the world calls it.
        why: What it lets happen.
        source: Where the versions are from.
    """

    package: str
    affected: str
    id: str
    why: str
    source: str


def known_holes(path: Path = LIST) -> list[Hole]:
    """Read the list."""
    return [Hole(**each) for each in tomllib.loads(path.read_text(encoding="utf-8"))["hole"]]


def installed() -> dict[str, str]:
    """Return the version of every package beside this Python, by its canonical name."""
    return {canonicalize_name(each.name): each.version for each in metadata.distributions()}


def found_in(versions: Mapping[str, str], holes: list[Hole]) -> Iterator[str]:
    """Yield a line for each hole that one of the versions has."""
    for hole in holes:
        version = versions.get(canonicalize_name(hole.package))
        if version and SpecifierSet(hole.affected).contains(version, prereleases=True):
            yield f"{hole.package} {version} ({hole.affected}): {hole.id}, {hole.why}"


def main() -> int:
    """Print what is found; return the exit code."""
    versions, holes = installed(), known_holes()
    lines = list(found_in(versions, holes))
    print(
        "\n".join(lines) or f"{len(versions)} packages, none with one of {len(holes)} known holes"
    )
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
