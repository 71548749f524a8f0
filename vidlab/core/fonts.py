"""Fonts for pictures: one that has the glyphs of a text, from what is installed."""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

# Families that cover Hangul, Chinese and Japanese, the usual ones of each system first; then
# plain Latin ones. Names of files, in lower case, without suffix.
_PREFERRED = (
    "notosanscjk-regular", "notosanscjkkr-regular", "notosanskr-regular", "notosanskr-medium",
    "nanumgothic", "nanumbarungothic", "malgun", "applesdgothicneo", "applegothic", "undotum",
    "sourcehansans-regular", "wqy-microhei", "droidsansfallbackfull", "arialuni",
    "notosans-regular", "dejavusans", "liberationsans-regular", "arial", "helvetica", "segoeui",
)  # fmt: skip

# A face of a collection: the Korean one of Noto Sans CJK. Others have all glyphs too.
_FACE = {"notosanscjk-regular": 1}

_SUFFIXES = {".ttf", ".ttc", ".otf"}

# What no font draws: asks a font how it looks where a glyph is missing.
_NO_CHARACTER = "\U0010ffff"

_HOW = {
    "linux": "apt-get install fonts-noto-cjk",
    "darwin": "brew install --cask font-noto-sans-cjk-kr",
    "win32": "winget install Google.NotoSansKR, or the Korean language pack",
}


def font_for(text: str, size_px: int) -> ImageFont.FreeTypeFont:
    """Return a font that has every glyph of a text; Pillow's own where none has.

    Warns, once for each set of missing characters, where the text cannot be drawn in full.

    Args:
        text: To be drawn.
        size_px: Height of its em square.
    """
    path = font_path(text)
    if path is None:
        return _built_in(size_px)
    return _font(path, size_px)


def font_path(text: str) -> Path | None:
    """Return the file of an installed font that has every glyph of a text.

    Warns, once for each set of missing characters, where none has.

    Args:
        text: To be drawn, by Pillow or another library.

    Returns:
        None where Pillow's own font has them all, as it has Latin letters, or no font has any.
    """
    return _path_for(frozenset(text) - frozenset(" \n\t"))


@functools.lru_cache(maxsize=64)
def _font(path: Path, size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size_px, index=_FACE.get(path.stem.lower(), 0))


@functools.lru_cache(maxsize=4096)
def _path_for(characters: frozenset[str]) -> Path | None:
    """Return the font file to take, or None for Pillow's own."""
    if _has_all(_built_in(16), characters):
        return None
    best: tuple[int, Path | None] = (len(characters), None)
    for path in installed_fonts():
        try:
            font = ImageFont.truetype(str(path), 16, index=_FACE.get(path.stem.lower(), 0))
        except OSError:
            continue  # a format that this Pillow does not read
        missing = _num_missing(font, characters)
        if not missing:
            return path
        if missing < best[0]:
            best = (missing, path)
    absent = "".join(sorted(characters))[:20]
    how = next((text for name, text in _HOW.items() if sys.platform.startswith(name)), "")
    warnings.warn(
        f"No installed font has all of {absent!r}; the picture shows boxes instead. Install "
        f"one, such as Noto Sans CJK{f' ({how})' if how else ''}, and start Python again.",
        stacklevel=2,
    )
    return best[1]


@functools.lru_cache(maxsize=64)
def _built_in(size_px: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size_px)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _has_all(font: ImageFont.FreeTypeFont, characters: frozenset[str]) -> bool:
    return _num_missing(font, characters) == 0


def _num_missing(font: ImageFont.FreeTypeFont, characters: frozenset[str]) -> int:
    absent = {_look(font, _NO_CHARACTER), _look(font, "")}
    return sum(_look(font, character) in absent for character in characters)


def _look(font: ImageFont.FreeTypeFont, character: str) -> bytes:
    picture = Image.new("L", (32, 32))
    ImageDraw.Draw(picture).text((4, 4), character, fill=255, font=font)
    return picture.tobytes()


@functools.cache
def installed_fonts() -> tuple[Path, ...]:
    """Return the font files that are installed, those that cover most scripts first."""
    found: dict[str, Path] = {}
    for folder in _folders():
        for path in sorted(folder.rglob("*")):
            name = path.stem.lower()
            if path.suffix.lower() in _SUFFIXES and name not in found:
                found[name] = path
    order = {name: rank for rank, name in enumerate(_PREFERRED)}
    names = sorted(found, key=lambda name: (order.get(name, len(order)), name))
    return tuple(found[name] for name in names)


def _folders() -> Iterator[Path]:
    home = Path.home()
    places = [
        home / ".fonts", home / ".local/share/fonts", Path("/usr/local/share/fonts"),
        Path("/usr/share/fonts"), home / "Library/Fonts", Path("/Library/Fonts"),
        Path("/System/Library/Fonts"), Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts",
        Path(os.environ.get("LOCALAPPDATA", "C:/")) / "Microsoft/Windows/Fonts",
    ]  # fmt: skip
    yield from (place for place in places if place.is_dir())
