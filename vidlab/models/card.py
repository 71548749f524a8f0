"""Model cards: what a model is, where its weights are, how its pixels are prepared.

A card is a TOML file in ``vidlab/models/cards``. Preprocessing, labels, lookup and download
are all derived from it, so a new model is a new file and no code.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any, Literal

from vidlab.core.errors import CardError, OptionError, UnknownModelError, did_you_mean
from vidlab.core.labels import LabelMap
from vidlab.transforms import Preprocessing

Kind = Literal["stream", "clip"]
Format = Literal["litert", "savedmodel", "safetensors"]

#: Which file formats a backend reads as they are; torch reads the others by converting once.
NATIVE_FORMATS: dict[str, tuple[Format, ...]] = {
    "torch": ("safetensors",),
    "tfhub": ("savedmodel",),
    "litert": ("litert",),
}
BACKENDS = tuple(NATIVE_FORMATS)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One set of weights of a model.

    Attributes:
        name: Short name, such as ``"float"`` or ``"int8"``.
        precision: Number format of the weights.
        format: ``"litert"`` and ``"safetensors"`` are files, ``"savedmodel"`` a directory.
        file: Name of that file or directory in a mirror and in the cache.
        sha256: Its checksum; None where the publisher gives none and none is known.
        size_bytes: Its size, if known.
        members: For a directory: checksum of each file that matters, by its name inside.
        url: Where the file can be downloaded as it is.
        handle: Kaggle Models handle, where it can be downloaded through kagglehub.
        same_weights_as: Name of a variant with the same numbers in another format.
        top1: Published top-1 accuracy in per cent, where it differs from the card's.
        note: One line for people.
    """

    name: str
    precision: str
    format: Format
    file: str
    sha256: str | None = None
    size_bytes: int | None = None
    members: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    handle: str | None = None
    same_weights_as: str | None = None
    top1: float | None = None
    note: str = ""

    @property
    def is_pinned(self) -> bool:
        """Whether the content can be checked against a checksum."""
        return bool(self.sha256 or self.members)


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known about a model before its weights are loaded.

    Attributes:
        name: Name that ``load_model`` takes.
        title: Name for people.
        family: Architecture family, such as ``"movinet"``.
        kind: ``"stream"`` models answer after every frame and carry a state; ``"clip"``
            models answer once for `num_frames` frames.
        task: What it does.
        dataset: What it was trained on.
        labels: Name of its label map.
        licence: SPDX identifier.
        paper: Address of the paper.
        source: Address of the code it is from.
        preprocessing: How frames are prepared.
        num_frames: Frames of one clip in training.
        accuracy: Published ``top1`` and ``top5``, in per cent.
        variants: Sets of weights, in order of preference.
    """

    name: str
    title: str
    family: str
    kind: Kind
    preprocessing: Preprocessing
    task: str = "action recognition"
    dataset: str = ""
    labels: str | None = None
    licence: str = "unknown"
    paper: str = ""
    source: str = ""
    num_frames: int = 1
    accuracy: Mapping[str, float] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()

    def label_map(self, num_classes: int) -> LabelMap:
        """Return the labels, numbered ones where the card names none.

        Raises:
            CardError: The card's label map has another length than the logits.
        """
        if self.labels is None:
            return LabelMap.numbered(num_classes)
        labels = LabelMap.named(self.labels)
        if len(labels) != num_classes:
            raise CardError(
                f"{self.name} gives {num_classes} logits, but its label map {self.labels} has "
                f"{len(labels)} labels. Pass labels= a LabelMap of {num_classes} labels."
            )
        return labels

    def variant(self, name: str) -> Variant:
        """Return the variant called `name`.

        Raises:
            OptionError: There is none.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        known = [variant.name for variant in self.variants]
        raise OptionError(
            f"{self.name} has no variant {name!r}; it has {', '.join(known)}."
            + did_you_mean(name, known)
        )

    @classmethod
    def from_toml(cls, text: str, *, where: str) -> ModelCard:
        """Read a card.

        Args:
            text: The TOML text.
            where: File name for error messages.

        Raises:
            CardError: The text is not TOML, or a field is missing, unknown or of a wrong type.
        """
        try:
            data = tomllib.loads(text)
            preprocessing = data.pop("preprocessing")
            for key in ("mean", "std"):
                if key in preprocessing:
                    preprocessing[key] = tuple(preprocessing[key])
            _refuse_unknown(Preprocessing, preprocessing, where)
            variants = data.pop("variants", [])
            for variant in variants:
                _refuse_unknown(Variant, variant, where)
            _refuse_unknown(cls, data, where)
            card = cls(
                preprocessing=Preprocessing(**preprocessing),
                variants=tuple(Variant(**variant) for variant in variants),
                **data,
            )
        except KeyError as error:
            raise CardError(f"The model card {where} lacks the table {error}.") from error
        except (tomllib.TOMLDecodeError, TypeError, AttributeError, OptionError) as error:
            raise CardError(f"The model card {where} cannot be read: {error}") from error
        if card.kind not in ("stream", "clip"):
            raise CardError(f"{where}: kind must be 'stream' or 'clip'; got {card.kind!r}.")
        for variant in card.variants:
            if variant.format not in ("litert", "savedmodel", "safetensors"):
                raise CardError(f"{where}: variant format {variant.format!r} is not known.")
        return card


def _refuse_unknown(cls: type[Any], data: Mapping[str, Any], where: str) -> None:
    known = [item.name for item in fields(cls)]
    for key in data:
        if key not in known:
            raise CardError(f"{where}: unknown field {key!r}." + did_you_mean(key, known))


@cache
def cards() -> dict[str, ModelCard]:
    """Return every shipped card by name."""
    folder = resources.files("vidlab.models") / "cards"
    found = [
        ModelCard.from_toml(item.read_text(encoding="utf-8"), where=item.name)
        for item in folder.iterdir()
        if item.name.endswith(".toml")
    ]
    return {card.name: card for card in sorted(found, key=lambda card: card.name)}


def card_named(name: str) -> ModelCard:
    """Return the shipped card called `name`.

    Raises:
        UnknownModelError: There is none; the message names the nearest.
    """
    known = cards()
    if name not in known:
        raise UnknownModelError(
            f"No model is called {name!r}, and no file or directory is at that path."
            f"{did_you_mean(name, known)} vidlab.list_models() shows all that have a card."
        )
    return known[name]
