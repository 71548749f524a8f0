"""Label maps: from a class id to its label, with where they are from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import overload

from vidlab.core.errors import LabelMapError, did_you_mean
from vidlab.core.naming import printable


class LabelMap(Sequence[str]):
    """An ordered list of class labels: ``labels[class_id]`` is the label.

    Args:
        labels: The labels, in the order of the model's logits.
        name: A short name such as ``"kinetics-600"``.
        source: Where the labels are from, in words or as an address.

    Raises:
        LabelMapError: The labels are empty, no text, blank, or repeated.
    """

    __slots__ = ("_ids", "_labels", "name", "source")

    def __init__(self, labels: Sequence[str], *, name: str = "custom", source: str = "") -> None:
        items = tuple(labels)
        if not items:
            raise LabelMapError("A label map needs at least one label; got none.")
        for class_id, label in enumerate(items):
            if not isinstance(label, str) or not label.strip():
                raise LabelMapError(f"Label {class_id} must be a non-empty string; got {label!r}.")
            if not label.isascii() and label != printable(label):
                raise LabelMapError(f"Label {class_id} must be Unicode text; got {label!r}.")
        ids = {label: class_id for class_id, label in enumerate(items)}
        if len(ids) != len(items):
            repeated = next(label for label in items if items.count(label) > 1)
            raise LabelMapError(f"Labels must be unique; {repeated!r} appears more than once.")
        self._labels = items
        self._ids = ids
        self.name = name
        self.source = source

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, name: str | None = None) -> LabelMap:
        """Read a text file with one label a line (UTF-8; blank lines at the end are dropped).

        Raises:
            LabelMapError: The file cannot be read, or its lines are not a label map.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise LabelMapError(f"Cannot read the label map {str(path)!r}: {error}.") from error
        lines = [line.strip() for line in text.rstrip().splitlines()]
        return cls(lines, name=name or path.stem, source=str(path))

    @classmethod
    def named(cls, name: str) -> LabelMap:
        """Return a label map that ships with vidlab, such as ``"kinetics-600"``.

        Raises:
            LabelMapError: No shipped label map has that name.
        """
        folder = resources.files("vidlab.core") / "label_maps"
        known = sorted(item.name.removesuffix(".txt") for item in folder.iterdir())
        if name not in known:
            raise LabelMapError(
                f"No label map is called {name!r}; vidlab ships {', '.join(known)}."
                + did_you_mean(name, known)
            )
        lines = (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        return cls(lines, name=name, source=f"vidlab:{name}")

    @classmethod
    def numbered(cls, num_classes: int) -> LabelMap:
        """Return ``class 0``, ``class 1`` … for a model that came without labels."""
        return cls([f"class {i}" for i in range(num_classes)], name="numbered", source="")

    def id_of(self, label: str) -> int:
        """Return the class id of `label`.

        Raises:
            LabelMapError: There is no such label; the message names the nearest one.
        """
        try:
            return self._ids[label]
        except KeyError:
            raise LabelMapError(
                f"{label!r} is not one of the {len(self)} labels of {self.name}."
                + did_you_mean(label, self._labels)
            ) from None

    @overload
    def __getitem__(self, class_id: int) -> str: ...
    @overload
    def __getitem__(self, class_id: slice) -> tuple[str, ...]: ...
    def __getitem__(self, class_id: int | slice) -> str | tuple[str, ...]:
        """Return the label of a class id, or the labels of a slice."""
        return self._labels[class_id]

    def __len__(self) -> int:
        return len(self._labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __contains__(self, label: object) -> bool:
        return label in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelMap) and self._labels == other._labels

    def __hash__(self) -> int:
        return hash(self._labels)

    def __repr__(self) -> str:
        return f"LabelMap({self.name!r}, {len(self)} labels: {', '.join(self._labels[:3])}, …)"
