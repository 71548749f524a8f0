"""What a run is made with: kept beside it, and compared when it goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from vidlab.core.errors import OptionError, PredictionsError
from vidlab.core.naming import printable
from vidlab.feeding import versions_and_machine
from vidlab.many.store import Store, damaged, read_json, write_json
from vidlab.models.base import Model, Selection

_FORMAT = "vidlab.run/1"
_FILE = "manifest.json"

# What makes other answers where it is another; the rest (threads, versions) is for the record.
_DECIDING = (
    "name", "variant", "backend", "weights_sha256", "preprocessing", "labels", "labels_sha256",
    "selection",
)  # fmt: skip


def manifest_of(
    names: Sequence[str],
    models: Sequence[Model],
    selections: Sequence[Selection],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what a run is made with, as plain data."""
    return {
        "format": _FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": dict(options),
        "models": {
            name: {
                **model.record(),
                "num_threads": model.num_threads,
                "preprocessing": model.preprocessing.as_dict(),
                "labels": model.labels.name,
                "labels_sha256": hashlib.sha256("\n".join(model.labels).encode()).hexdigest(),
                "selection": _as_json(asdict(selection)),
            }
            for name, model, selection in zip(names, models, selections, strict=True)
        },
        **versions_and_machine(),
    }


def read_manifest(store: Store) -> dict[str, Any] | None:
    """Return a run's manifest, or None where there is none.

    Raises:
        PredictionsError: It is damaged, or of another format.
    """
    found = read_json(store.folder / _FILE)
    if found is None:
        return None
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        told = found.get("format") if isinstance(found, dict) else found
        raise PredictionsError(
            f"{str(store.folder / _FILE)!r} is of format {told!r:.80}; this vidlab reads "
            f"{_FORMAT!r}."
        )
    models, options = found.get("models"), found.get("options")
    if (
        not isinstance(options, dict)
        or not isinstance(models, dict)
        or not models
        or any(name != printable(name) for name in models)
        or any(not isinstance(each, dict) or set(_DECIDING) - set(each) for each in models.values())
    ):
        raise damaged(store.folder / _FILE, KeyError("models, options"))
    return found


def agree_or_write(store: Store, manifest: Mapping[str, Any]) -> None:
    """Write a new run's manifest, or see to it that a run which goes on is the same.

    Raises:
        OptionError: The folder is another run's, or holds something else.
    """
    before = read_manifest(store)
    if before is None:
        inside = [each.name for each in store.folder.iterdir() if not each.name.startswith(".")]
        if inside:
            raise OptionError(
                f"{str(store.folder)!r} is no run's folder: it holds {inside[0]!r}. Give out= a "
                "new folder, or an empty one."
            )
        write_json(store.folder / _FILE, manifest)
        return
    if changes := _changes(before, manifest):
        raise OptionError(
            f"{str(store.folder)!r} is a run with another {'; another '.join(changes)}. Go on with "
            "the same models and options, or give out= another folder."
        )


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what differs, in words."""
    changes = [
        f"{name} ({before['options'].get(name)!r}, not {value!r})"
        for name, value in now["options"].items()
        if before["options"].get(name) != value
    ]
    old, new = before["models"], now["models"]
    if list(old) != list(new):
        return [*changes, f"choice of models ({', '.join(old)}, not {', '.join(new)})"]
    changes += [
        f"{key} of {model} ({old[model][key]!r:.200}, not {new[model][key]!r:.200})"
        for model in new
        for key in _DECIDING
        if _as_json(old[model][key]) != _as_json(new[model][key])
    ]
    return changes


def _as_json(value: Any) -> Any:
    """Return plain data as it comes back from JSON, whose sequences are all lists."""
    if isinstance(value, Mapping):
        return {key: _as_json(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(each) for each in value]
    return value
