"""Model cards: what a model is, where its weights are, how its pixels are prepared.

A card is a TOML file. Those in ``vidlab/models/cards`` are known by name; one beside a weights
file (``NAME.toml``) or in a model's directory (``card.toml``) goes with these weights.
Preprocessing, labels, lookup and download are all derived from it, so a new model is a new file
and no code.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from importlib import resources
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, get_args

from vidlab.core.errors import (
    CardError,
    LabelMapError,
    OptionError,
    UnknownModelError,
    did_you_mean,
)
from vidlab.core.files import atomic_write
from vidlab.core.labels import LabelMap
from vidlab.models.registry import formats
from vidlab.transforms import Preprocessing

Kind = Literal["stream", "clip", "frame", "pose"]
Output = Literal["", "logits", "probabilities"]
Format = str
"""A format of weights; `vidlab.models.registry.formats` has all."""

#: What becomes a network in PyTorch; others keep their weights in forms that are not read back.
CONVERTIBLE: tuple[Format, ...] = ("litert", "savedmodel", "safetensors")

#: Backends that run such networks.
CONVERTING = ("torch", "openvino")

# Types of fields, as annotations write them, and what people call them.
_KINDS: dict[str, tuple[Any, str]] = {
    "str": (str, "a string"),
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "Mapping": (Mapping, "a table"),
}

DIRECTORY_FORMATS = {"savedmodel": "saved_model.pb", "transformers": "config.json"}
"""Formats that are directories, and the file by which each is known."""

CARD_INSIDE = "card.toml"
"""Name of the card in a model's directory."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One set of weights of a model.

    Attributes:
        name: Short name, such as ``"float"`` or ``"int8"``.
        precision: Number format of the weights.
        format: ``"litert"``, ``"safetensors"``, ``"onnx"`` and ``"keras"`` (``.keras`` or
            ``.h5``) are files, ``"savedmodel"`` and ``"transformers"`` are directories.
        file: Name of that file or directory in a mirror and in the cache.
        sha256: Its checksum, or the beginning of it that the publisher gives; None where nothing
            is known.
        size_bytes: Its size, if known.
        members: For a directory: checksum of each file that matters, by its name inside.
        url: Where the file can be downloaded as it is.
        handle: Where a library can download it: its handle on Kaggle Models, or, of format
            ``"transformers"``, its repository on the Hugging Face Hub.
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
    def is_directory(self) -> bool:
        """Whether the weights are a directory, not a file."""
        return self.format in DIRECTORY_FORMATS

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
            models answer once for `num_frames` frames; ``"frame"`` models answer for every
            frame on its own; ``"pose"`` models find people's keypoints in every frame.
        task: What it does.
        dataset: What it was trained on.
        labels: Name of its label map, or the labels themselves, in the order of the logits.
        licence: SPDX identifier.
        paper: Address of the paper.
        source: Address of the code it is from.
        preprocessing: How frames are prepared.
        layout: Order of the input's axes, such as ``"BTHWC"``, for files and networks of any
            make; batch, time, channels, height, width. Empty for PyTorch's usual ``"BCTHW"`` and
            ``"BCHW"``, or where the format says it.
        output: What comes out, ``"logits"`` or ``"probabilities"``, for files and networks of any
            make. Empty sees for itself: what sums to 1 are probabilities.
        skeleton: Of a pose model: name of its keypoints, such as ``"coco-17"``.
        detector: Of a pose model: name of the card of the model that finds people for it.
        least_confidence: Of a pose model: mean confidence of a person's keypoints, or the score of
            the person where the model gives one, below which nobody is there.
        num_frames: Frames of one clip in training.
        clips_per_video: How many clips a video is judged by where the published accuracy was
            measured; their probabilities are averaged.
        accuracy: Published or measured ``top1``, ``top5`` and the like, in per cent.
        training: How it was trained and measured, for people: command, seeds, time.
        variants: Sets of weights, in order of preference.
    """

    name: str
    title: str
    family: str
    kind: Kind
    preprocessing: Preprocessing
    task: str = "action recognition"
    dataset: str = ""
    labels: str | tuple[str, ...] | None = None
    licence: str = "unknown"
    paper: str = ""
    source: str = ""
    layout: str = ""
    output: Output = ""
    skeleton: str = ""
    detector: str = ""
    least_confidence: float = 0.0
    num_frames: int = 1
    clips_per_video: int = 1
    accuracy: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, str] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()

    def __post_init__(self) -> None:
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        _check_fields(ModelCard, given, f"The card {self.name}")
        if not isinstance(self.preprocessing, Preprocessing):
            raise CardError(
                f"The card {self.name}: preprocessing must be a vidlab.Preprocessing; got "
                f"{self.preprocessing!r}."
            )
        if min(self.num_frames, self.clips_per_video) < 1:
            raise CardError(
                f"The card {self.name}: num_frames and clips_per_video must be at least 1; got "
                f"{self.num_frames} and {self.clips_per_video}."
            )
        for name, known in (("kind", Kind), ("output", Output)):
            if getattr(self, name) not in get_args(known):
                words = ", ".join(each or "empty" for each in get_args(known))
                raise CardError(
                    f"The card {self.name}: {name} must be one of {words}; got "
                    f"{getattr(self, name)!r}."
                )

    @property
    def answers_every_frame(self) -> bool:
        """Whether there is an answer after each frame, not one for several."""
        return self.kind != "clip"

    def label_map(self, num_classes: int) -> LabelMap:
        """Return the labels, numbered ones where the card names none.

        Raises:
            CardError: The card's label map has another length than the logits.
        """
        if self.labels is None:
            return LabelMap.numbered(num_classes)
        if isinstance(self.labels, str):
            labels = LabelMap.named(self.labels)
        else:
            labels = LabelMap(self.labels, name=self.name, source=f"card:{self.name}")
        if len(labels) != num_classes:
            raise CardError(
                f"{self.name} gives {num_classes} logits, but its label map {labels.name} has "
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
            for key in ("mean", "std", "resize_to_px"):
                if key in preprocessing:
                    preprocessing[key] = tuple(preprocessing[key])
            _check_fields(Preprocessing, preprocessing, where)
            variants = data.pop("variants", [])
            for variant in variants:
                _check_fields(Variant, variant, where)
            _check_fields(cls, data, where)
            labels = data.get("labels")
            if labels is not None and not isinstance(labels, str):
                data["labels"] = tuple(LabelMap(labels))
            card = cls(
                preprocessing=Preprocessing(**preprocessing),
                variants=tuple(Variant(**variant) for variant in variants),
                **data,
            )
        except KeyError as error:
            raise CardError(f"The model card {where} lacks the table {error}.") from error
        except (
            tomllib.TOMLDecodeError,
            TypeError,
            AttributeError,
            OptionError,
            LabelMapError,
            RecursionError,
        ) as error:
            raise CardError(f"The model card {where} cannot be read: {error}") from error
        for variant in card.variants:
            if variant.format not in formats():
                raise CardError(f"{where}: variant format {variant.format!r} is not known.")
        return card

    def to_toml(self) -> str:
        """Return the card as the TOML text that :meth:`from_toml` reads."""
        lines = _toml_fields(self, leave_out=("preprocessing", "accuracy", "training", "variants"))
        for name, table in (("accuracy", self.accuracy), ("training", self.training)):
            if table:
                lines += ["", f"[{name}]", *_toml_lines(table)]
        lines += ["", "[preprocessing]", *_toml_fields(self.preprocessing)]
        for variant in self.variants:
            lines += ["", "[[variants]]", *_toml_fields(variant, leave_out=("members",))]
            if variant.members:
                lines += ["", "[variants.members]", *_toml_lines(variant.members)]
        return "\n".join(lines) + "\n"


def card_path(path: str | os.PathLike[str]) -> Path:
    """Return where the card of the weights at `path` lies: beside a file, inside a directory."""
    path = Path(path)
    return path / CARD_INSIDE if path.is_dir() else path.with_suffix(".toml")


def write_card(card: ModelCard, path: str | os.PathLike[str]) -> Path:
    """Write a card where :func:`~vidlab.load_model` finds it, whole or not at all.

    Args:
        card: What to write; its `variants` should name the weights and their checksum.
        path: The weights: the card of ``NAME.safetensors`` becomes ``NAME.toml`` beside it, that
            of a directory ``card.toml`` inside. Or the card itself, which ends in ``.toml``.

    Returns:
        Where the card is.
    """
    target = Path(path)
    if target.suffix != ".toml":
        target = card_path(target)
    with atomic_write(target) as stream:
        stream.write(card.to_toml().encode("utf-8"))
    return target


def card_beside(path: str | os.PathLike[str]) -> ModelCard | None:
    """Return the card beside a weights file or in a model's directory, if there is one.

    Raises:
        CardError: There is a file, but it is no card.
    """
    target = card_path(path)
    try:
        text = target.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"The model card {str(target)!r} cannot be read: {error}.") from error
    return ModelCard.from_toml(text, where=str(target))


def _toml_fields(item: Any, *, leave_out: Sequence[str] = ()) -> list[str]:
    """Return a line for each field of a dataclass that is not as it is by default."""
    values = {
        each.name: getattr(item, each.name) for each in fields(item) if each.name not in leave_out
    }
    defaults = {each.name: _default(each) for each in fields(item)}
    return _toml_lines({key: value for key, value in values.items() if value != defaults[key]})


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def _toml_lines(table: Mapping[str, Any]) -> list[str]:
    bare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
    return [
        f"{key if key and not key.strip(bare) else _toml_value(key)} = {_toml_value(value)}"
        for key, value in table.items()
    ]


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # As in JSON, but that TOML wants the one control character written out that JSON does not.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return repr(float(value))
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_toml_value, value))}]"
    raise CardError(f"A model card holds text, numbers and lists; got {value!r}.")


def _check_fields(cls: type[Any], data: Mapping[str, Any], where: str) -> None:
    """Refuse fields that a dataclass lacks, and values of another type than it says."""
    known = {item.name: str(item.type) for item in fields(cls)}
    for key, value in data.items():
        if key not in known:
            raise CardError(f"{where}: unknown field {key!r}." + did_you_mean(key, known))
        said = re.fullmatch(r"(str|int|float|Mapping)(\[.*\])?( \| None)?", known[key])
        kind, words = _KINDS[said[1]] if said else (object, "")
        if not isinstance(value, kind):
            raise CardError(f"{where}: {key} must be {words}; got {value!r}.")


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
