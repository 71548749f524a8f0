"""The list of known holes, and what is installed here."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))

import audit  # noqa: E402


def test_what_is_installed_is_not_on_the_list() -> None:
    assert "numpy" in audit.installed()
    assert list(audit.found_in(audit.installed(), audit.known_holes())) == []


def test_a_version_on_the_list_is_found_by_any_spelling() -> None:
    holes = [
        audit.Hole(package="Some_Package", affected="<2.1", id="CVE-1", why="it leaks", source="x")
    ]
    assert list(audit.found_in({"some-package": "2.0.9"}, holes)) == [
        "Some_Package 2.0.9 (<2.1): CVE-1, it leaks"
    ]
    assert list(audit.found_in({"some-package": "2.1rc1"}, holes)) == []
    assert list(audit.found_in({"some-package": "2.1"}, holes)) == []
    assert list(audit.found_in({"other": "1.0"}, holes)) == []


def test_the_list_is_well_formed() -> None:
    holes = audit.known_holes()
    assert len(holes) > 10
    for hole in holes:
        assert re.fullmatch(r"CVE-\d{4}-\d{4,}", hole.id), hole
        assert hole.why, hole
        assert hole.source, hole
        assert not SpecifierSet(hole.affected).contains("9999"), hole
