"""Where a model's weights are: a mirror directory, the user cache, the package, or a download.

The mirror is the directory that ``$VIDLAB_MODELS`` names. Cards know their files by name and
by SHA-256, so a mirror needs no index: a file is found under its card's name, or, where it was
renamed, by its size and checksum. Some files are small enough to ship with vidlab itself.
Whatever a card pins is checked before it is used.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vidlab.core.errors import WeightsError, WeightsNotFoundError
from vidlab.core.files import cache_dir, inside, mirror_dir, sha256_of
from vidlab.models.card import CARD_INSIDE, DIRECTORY_FORMATS, ModelCard, Variant

Place = Literal["path", "mirror", "cache", "package", "memory"]

PACKAGE_WEIGHTS = Path(__file__).parent / "weights"
"""Where the weights are that ship with vidlab."""

FITTED_WEIGHTS = "model.safetensors"
"""What `vidlab.fit` calls the weights in the folder that it writes."""

_REPLACE = "Replace it, or pass its path to load_model to use it as it is."

# Files in a model's directory that say something about the weights and are no part of them.
_NOT_WEIGHTS = ("keras_metadata.pb", CARD_INSIDE, "certificate.json", "certificate.png")


@dataclass(frozen=True)
class Found:
    """Weights that are on this machine.

    Attributes:
        path: The file or directory.
        place: Where it was found.
        variant: What it holds.
    """

    path: Path
    place: Place
    variant: Variant


def find(variant: Variant) -> Found | None:
    """Look for a variant in the mirror, then in the cache, then in what ships with vidlab.

    Raises:
        WeightsError: A file with the right name has the wrong content, or a directory lacks a
            member.
        WeightsNotFoundError: The mirror is not a directory.
    """
    check_mirror()
    for place, folder in _places():
        path = _in_folder(variant, folder)
        if path is not None:
            return Found(path, place, variant)
    return None


def check_mirror() -> None:
    """Refuse a mirror that is not there.

    Raises:
        WeightsNotFoundError: ``$VIDLAB_MODELS`` is set, but names no directory.
    """
    mirror = mirror_dir()
    if mirror is not None and not mirror.is_dir():
        raise WeightsNotFoundError(
            f"VIDLAB_MODELS names {str(mirror)!r}, which is not a directory. "
            "Set it to the folder that holds the model files, or unset it."
        )


def cache_path(variant: Variant) -> Path:
    """Return where a download of `variant` is kept."""
    return inside(cache_dir() / "models", variant.file)


def check(variant: Variant, path: Path, *, remedy: str = _REPLACE) -> None:
    """Compare the content at `path` with what the card pins.

    Args:
        variant: What the card says.
        path: File or directory.
        remedy: What to do where it is something else, for the error message.

    Raises:
        WeightsError: It is not what the card describes.
        WeightsNotFoundError: A member of the directory is missing.
    """
    if variant.is_directory:
        for member, expected in variant.members.items():
            _check_file(inside(path, member), expected, variant, remedy)
    elif variant.sha256:
        _check_file(path, variant.sha256, variant, remedy)


def same_checksum(got: str, pinned: str | None) -> bool:
    """Return whether `got` is the checksum that a card pins, of which it may give the beginning.

    Args:
        got: Whole SHA-256 in hexadecimal.
        pinned: The card's; where it pins nothing, nothing is the same.
    """
    return bool(pinned and got.startswith(pinned.lower()))


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a weights file, or of a SavedModel's graph and variables."""
    if path.is_file():
        return sha256_of(path)
    import hashlib

    digest = hashlib.sha256()
    for member in _members(path):
        digest.update(f"{member.relative_to(path).as_posix()}={sha256_of(member)}\n".encode())
    return digest.hexdigest()


def weights_bytes(path: Path) -> int:
    """Return the size of a weights file, or of a SavedModel's graph and variables."""
    members = [path] if path.is_file() else _members(path)
    return sum(member.stat().st_size for member in members)


def _members(folder: Path) -> list[Path]:
    return [
        member
        for member in sorted(folder.rglob("*"))
        if member.is_file() and member.name not in _NOT_WEIGHTS
    ]


def missing(card: ModelCard, *, backend: str, variants: list[Variant]) -> WeightsNotFoundError:
    """Build the error for weights that are nowhere: it names the place and the file."""
    mirror = mirror_dir()
    names = " or ".join(
        f"{variant.file}{'/' if variant.is_directory else ''}" for variant in variants
    )
    if mirror is not None:
        place = f"the mirror {str(mirror)!r} (VIDLAB_MODELS) nor in the cache {str(cache_dir())!r}"
    else:
        place = f"the cache {str(cache_dir())!r}, and VIDLAB_MODELS names no mirror directory"
    return WeightsNotFoundError(
        f"No weights of {card.name} for the {backend} backend are in {place}. "
        f"Put {names} into a directory and set VIDLAB_MODELS to it."
    )


def _places() -> list[tuple[Place, Path]]:
    places: list[tuple[Place, Path]] = []
    mirror = mirror_dir()
    if mirror is not None:
        places.append(("mirror", mirror))
    places.append(("cache", cache_dir() / "models"))
    places.append(("package", PACKAGE_WEIGHTS))
    return places


def _in_folder(variant: Variant, folder: Path) -> Path | None:
    named = inside(folder, variant.file)
    if variant.is_directory:
        if (named / DIRECTORY_FORMATS[variant.format]).is_file():
            check(variant, named)
            return named
        return None
    if named.is_file():
        check(variant, named)
        return named
    if variant.sha256 is None or variant.size_bytes is None or not folder.is_dir():
        return None
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        if (
            entry.is_file()
            and entry.stat().st_size == variant.size_bytes
            and same_checksum(sha256_of(entry.path), variant.sha256)
        ):
            return Path(entry.path)
    return None


def _check_file(path: Path, expected: str, variant: Variant, remedy: str) -> None:
    try:
        got = sha256_of(path)
    except FileNotFoundError:
        raise WeightsNotFoundError(
            f"{variant.file} is incomplete: {str(path)!r} is missing. Copy the whole directory."
        ) from None
    except OSError as error:
        raise WeightsError(f"Cannot read {str(path)!r}: {error}.") from error
    if not same_checksum(got, expected):
        raise WeightsError(
            f"{str(path)!r} is not what its card describes: SHA-256 {got}, expected {expected}. "
            f"{remedy}"
        )
