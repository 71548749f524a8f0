"""Fonts for pictures: the right one is found, or the missing one is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from vidlab.core import fonts


def drawn(text: str) -> bytes:
    picture = Image.new("L", (80, 40))
    ImageDraw.Draw(picture).text((4, 4), text, fill=255, font=fonts.font_for(text, 24))
    return picture.tobytes()


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "installed_fonts", lambda: ())
    fonts._path_for.cache_clear()
    yield
    fonts._path_for.cache_clear()


def test_latin_needs_no_installed_font(no_fonts, recwarn) -> None:
    assert len({drawn("carving ice"), drawn("…"), drawn("")}) == 3
    assert not recwarn.list


def test_a_missing_font_is_named_once(no_fonts) -> None:
    with pytest.warns(UserWarning, match=r"No installed font has all of '각얼음조'.*Noto Sans CJK"):
        fonts.font_for("얼음 조각", 20)


def test_korean_letters_differ_where_a_font_is_installed(recwarn) -> None:
    if not any("cjk" in path.stem.lower() for path in fonts.installed_fonts()):
        pytest.skip("no Korean font is installed: apt-get install fonts-noto-cjk")
    assert len({drawn(letter) for letter in ("얼", "음", "조", "각")}) == 4
    assert not recwarn.list


def test_files_that_are_no_fonts_are_passed_over(monkeypatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"not a font")
    monkeypatch.setattr(fonts, "installed_fonts", lambda: (broken,))
    fonts._path_for.cache_clear()
    with pytest.warns(UserWarning, match="No installed font"):
        fonts.font_for("눈", 18)
    fonts._path_for.cache_clear()
