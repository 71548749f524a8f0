"""What a backend is given to open a model with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidlab.core.errors import OptionError
from vidlab.core.labels import LabelMap
from vidlab.models import lookup
from vidlab.models.base import Provenance, Selection
from vidlab.models.card import Kind, ModelCard
from vidlab.models.lookup import Found

CARD_SNIPPET = (
    'card=vidlab.ModelCard(name="mine", title="Mine", family="own", kind="clip", num_frames=16, '
    "preprocessing=vidlab.Preprocessing(height_px=112, width_px=112))"
)
"""A card for people to begin with."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Weights that are here, and the options of one ``load_model`` call.

    Attributes:
        card: What is known about the model; None where nobody says.
        found: Where its weights are.
        labels: Label map that was asked for; None for the card's.
        num_threads: Threads to compute with.
        selection: Options of tables.
        precision: Numbers to compute with; None for the backend's own.
    """

    card: ModelCard | None
    found: Found
    labels: LabelMap | None
    num_threads: int
    selection: Selection
    precision: str | None = None

    @property
    def path(self) -> Path:
        """The weights."""
        return self.found.path

    def known_card(self) -> ModelCard:
        """Return the card.

        Raises:
            OptionError: There is none; the message says how to name one.
        """
        if self.card is None:
            raise without_card(self.path.name)
        return self.card

    def check_kind(self, card: ModelCard, *kinds: Kind) -> None:
        """Refuse weights that are of another kind than the card says.

        Raises:
            OptionError: With the kinds that they are of.
        """
        if card.kind not in kinds:
            raise OptionError(
                f"{self.path.name} is a {' or '.join(kinds)} model; {card.name} is not."
            )

    def provenance(self, runtime: str) -> Provenance:
        """Return what exactly is running."""
        is_file = self.found.place != "memory"
        return Provenance(
            weights_file=self.path.name,
            weights_sha256=lookup.content_hash(self.path) if is_file else "",
            place=self.found.place,
            runtime=runtime,
        )

    def about(self, card: ModelCard, *, num_classes: int, runtime: str) -> dict[str, Any]:
        """Return what every `~vidlab.models.base.Model` is made with.

        Raises:
            CardError: The card's label map has another length than the logits.
            OptionError: The label map that was asked for has.
        """
        labels = self.labels
        if labels is None:
            labels = card.label_map(num_classes)
        elif len(labels) != num_classes:
            raise OptionError(
                f"{self.path.name} gives {num_classes} logits; labels= has {len(labels)} labels."
            )
        return {
            "card": card,
            "variant": self.found.variant.name,
            "labels": labels,
            "provenance": self.provenance(runtime),
            "num_threads": self.num_threads,
            "selection": self.selection,
        }


def without_card(name: str) -> OptionError:
    """Build the error for weights of which nobody says what they take."""
    return OptionError(
        f"{name} does not say what it takes. Pass the name of the card that it follows, as in "
        "card='movinet-a0-stream' or, for keypoints, card='movenet-lightning'; or its own: "
        f"{CARD_SNIPPET}. vidlab.list_models() shows all that have a name."
    )
