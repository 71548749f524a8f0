"""Label bridges: from one label map to another, so that their models can be compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import LabelMapError
from vidlab.core.labels import LabelMap

UNMAPPED = "unmapped"
"""Label of what has no counterpart."""

# Kinetics-400 classes that Kinetics-600 has under another name; it is read both ways.
_RENAMED = {
    "balloon blowing": "inflating balloons",
    "dying hair": "dyeing hair",
    "garbage collecting": "person collecting garbage",
    "making bed": "making the bed",
    "tying tie": "tying necktie",
}
_OTHER_NAMES = _RENAMED | {new: old for old, new in _RENAMED.items()}


class LabelBridge:
    """Carries probabilities over from one label map to another.

    Labels that are spelled the same but for case and punctuation are counterparts; else those that
    are the same without the remark in brackets that one of them has; else those that Kinetics
    renamed, either way. What has no counterpart is summed up as ``"unmapped"``, so probabilities
    still sum to 1.

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
        LabelMapError: There is no such label map, or `mapping` is no mapping or names a label that
            is in none.

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
        self.source = _label_map(source, "source")
        self.target = _label_map(target, "target")
        if UNMAPPED in self.target:
            raise LabelMapError(f"{self.target.name} has a label {UNMAPPED!r} of its own.")
        if not (mapping is None or isinstance(mapping, Mapping)):
            raise LabelMapError(
                "mapping goes from labels of the source to labels of the target, as in "
                f"{{{self.source[0]!r}: {self.target[0]!r}}}; got {repr(mapping)[:80]}, of type "
                f"{type(mapping).__name__}."
            )
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
        by_words = _unique(self.target, _words)
        by_plain_words = _unique(self.target, _plain_words)

        def like(label: str) -> str | None:
            if label in self.target:
                return label
            if (same := by_words.get(_words(label))) is not None:
                return same
            plain = by_plain_words.get(_plain_words(label))
            # "(in game)" is not "(not in game)": of two remarks nothing is known.
            return None if plain is None or ("(" in label and "(" in plain) else plain

        found = {}
        for label in self.source:
            counterpart = like(label) or like(_OTHER_NAMES.get(label, ""))
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


def _label_map(given: LabelMap | str, what: str) -> LabelMap:
    if isinstance(given, str):
        return LabelMap.named(given)
    if not isinstance(given, LabelMap):
        raise LabelMapError(
            f"{what} must be a LabelMap, or the name of one such as 'kinetics-400'; got "
            f"{repr(given)[:80]}, of type {type(given).__name__}. Of a list of labels make one "
            "with vidlab.LabelMap(labels)."
        )
    return given


def _unique(labels: LabelMap, spelling: Callable[[str], str]) -> dict[str, str]:
    """Return labels by their spelling, without those that share theirs or have none."""
    spelled = Counter(map(spelling, labels))
    return {
        spelling(label): label
        for label in labels
        if spelling(label) and spelled[spelling(label)] == 1
    }


def _words(label: str) -> str:
    """Return a label's words in lower case; brackets count."""
    return " ".join(re.findall(r"\w+|[()]", label.casefold()))


def _plain_words(label: str) -> str:
    """Return a label's words in lower case, without remarks in brackets."""
    return _words(re.sub(r"\(.*?\)", " ", label))
