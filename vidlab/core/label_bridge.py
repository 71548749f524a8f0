"""Label bridges: from one label map to another, so that their models can be compared."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import LabelMapError
from vidlab.core.labels import LabelMap

UNMAPPED = "unmapped"
"""Label of what has no counterpart."""

# Kinetics-400 classes that Kinetics-600 has under another name.
_RENAMED = {
    "balloon blowing": "inflating balloons",
    "dying hair": "dyeing hair",
    "garbage collecting": "person collecting garbage",
    "making bed": "making the bed",
    "tying tie": "tying necktie",
}


class LabelBridge:
    """Carries probabilities over from one label map to another.

    Labels that are spelled the same but for case, punctuation and remarks in brackets are
    counterparts, as are those that Kinetics renamed. What has no counterpart is summed up as
    ``"unmapped"``, so probabilities still sum to 1.

    Args:
        source: A model's label map, or the name of one that ships with vidlab.
        target: The label map to carry over to, likewise.
        mapping: Further counterparts, from label of `source` to label of `target`; several may go
            to one. None as a target says that a label has no counterpart after all.

    Attributes:
        source: The label map it is from.
        target: The label map it is to, without ``"unmapped"``.
        labels: The target's labels, then ``"unmapped"``.
        counterparts: Label of `source` to label of `target`; only those that have one.

    Raises:
        LabelMapError: There is no such label map, or `mapping` names a label that is in none.

    Examples:
        >>> bridge = LabelBridge("kinetics-400", "kinetics-600")
        >>> bridge.counterparts["tying tie"]
        'tying necktie'
    """

    def __init__(
        self,
        source: LabelMap | str,
        target: LabelMap | str,
        *,
        mapping: Mapping[str, str | None] | None = None,
    ) -> None:
        self.source = LabelMap.named(source) if isinstance(source, str) else source
        self.target = LabelMap.named(target) if isinstance(target, str) else target
        if UNMAPPED in self.target:
            raise LabelMapError(f"{self.target.name} has a label {UNMAPPED!r} of its own.")
        found = self._by_spelling()
        for label, counterpart in (mapping or {}).items():
            self.source.id_of(label)
            if counterpart is None:
                found.pop(label, None)
            else:
                self.target.id_of(counterpart)
                found[label] = counterpart
        self.counterparts: dict[str, str] = found
        self.labels = LabelMap(
            [*self.target, UNMAPPED], name=f"{self.target.name}+{UNMAPPED}", source="bridge"
        )
        self._carry = np.zeros((len(self.source), len(self.labels)), dtype=np.float32)
        for row, label in enumerate(self.source):
            to = self.target.id_of(found[label]) if label in found else len(self.target)
            self._carry[row, to] = 1.0

    def _by_spelling(self) -> dict[str, str]:
        by_spelling: dict[str, str | None] = {}
        for label in self.target:
            spelled = _spelled(label)
            # Two labels of one spelling: neither is the counterpart.
            by_spelling[spelled] = None if spelled in by_spelling else label
        found = {}
        for label in self.source:
            renamed = _RENAMED.get(label, "")
            counterpart = (label if label in self.target else by_spelling.get(_spelled(label))) or (
                renamed if renamed in self.target else None
            )
            if counterpart is not None:
                found[label] = counterpart
        return found

    @property
    def unmapped(self) -> list[str]:
        """Labels of the source that have no counterpart."""
        return [label for label in self.source if label not in self.counterparts]

    def __call__(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Carry probabilities over.

        Args:
            probabilities: float32 ``[..., number of source labels]``.

        Returns:
            float32 ``[..., number of target labels + 1]``, the last of them unmapped; sums as
            before.

        Raises:
            LabelMapError: They are of another number of labels.
        """
        given = np.asarray(probabilities)
        if given.shape[-1:] != (len(self.source),):
            raise LabelMapError(
                f"Probabilities of the {len(self.source)} labels of {self.source.name} are "
                f"needed; got the shape {list(given.shape)}."
            )
        carried: NDArray[np.float32] = given.astype(np.float32) @ self._carry
        return carried

    def __repr__(self) -> str:
        return (
            f"<LabelBridge from {self.source.name} to {self.target.name}: "
            f"{len(self.counterparts)} of {len(self.source)} labels have a counterpart>"
        )


def _spelled(label: str) -> str:
    """Return a label's words in lower case, without remarks in brackets."""
    return " ".join(re.findall(r"\w+", re.sub(r"\(.*?\)", " ", label.lower())))
