"""From a model in PyTorch to a file for another runtime, checked before it gets its name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vidlab.certificate import certify, read_frames
from vidlab.core.console import say
from vidlab.core.dependencies import require
from vidlab.core.errors import OptionError, did_you_mean
from vidlab.core.files import as_path, check_writable, sha256_of
from vidlab.core.labels import LabelMap
from vidlab.inference import Source
from vidlab.models import LoadedModel, Model, ModelCard, load_model
from vidlab.models.backends.torch_backend import TorchModel
from vidlab.models.base import check_model
from vidlab.models.card import Variant, card_beside, card_path, write_card
from vidlab.models.export import TARGETS, Target, write_model

# Frames of each video that 8-bit ranges are measured on.
_CALIBRATION_FRAMES = 32
_CERTIFICATE_VIDEOS = 3


def export(
    model: LoadedModel | str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    to: str,
    calibration: Source | Sequence[Source] | Mapping[str, Source] | None = None,
    certificate: bool = True,
) -> Path:
    """Write a MoViNet for another runtime, with its card, and check that it answers the same.

    ``vidlab.load_model(path)`` then runs it. Beside a file lie ``NAME.toml``, its card, and
    ``FILE.certificate.json`` and ``.png``, what the check found; in a directory they lie inside.
    Everything is written under another name first: where something fails, nothing is left.

    Args:
        model: A model of the torch backend (from :func:`~vidlab.load_model` or
            :func:`~vidlab.fit`), or what ``load_model`` takes.
        path: Where to; None takes a name after the model, in this folder.
        to: ``"litert"`` (float32), ``"litert-int8"``, ``"savedmodel"`` (TF-Hub's form) or
            ``"onnx"``.
        calibration: One or more videos of what the model will see. The ranges of 8-bit integers
            are measured on them, and the check is done on the first three. None takes the
            sample videos.
        certificate: Check the result (see :mod:`vidlab.certificate`).

    Returns:
        Where it is.

    Raises:
        ParityError: The result does not answer as the model does; nothing was written.
        ExportError: The runtime's own tools failed.
        OptionError: The model, `to` or `path` cannot be used.
        VideoError: A video for calibration cannot be read.
        MissingDependencyError: What writes or runs this form is not installed.
    """
    target = _target(to)
    require("torch", why="exporting")  # told before anything is downloaded
    if not isinstance(model, LoadedModel):
        model = load_model(model, backend="torch")
    model = check_model(model)
    if model.card.kind == "frame":
        raise OptionError(f"{model.title} looks at single pictures; only MoViNets are exported.")
    if not isinstance(model, TorchModel):
        raise OptionError(
            f"{model.title} is not in PyTorch: load it with backend='torch' to export it."
        )
    videos = _videos(calibration)
    path = _path(model, path, target)
    card = _card(model, path, target)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        part = Path(folder) / path.name
        size = model.preprocessing
        say(f"writing {path.name}")
        write_model(
            model.network,
            part,
            to=to,
            height_px=size.height_px,
            width_px=size.width_px,
            calibration=_Calibration(model, videos),
        )
        variant = _variant(model, part, target)
        write_card(replace(card, variants=(*card.variants, variant)), part)
        if certificate:
            say(f"checking that {path.name} answers as {model.title} does")
            exported = load_model(part, backend=target.backend, num_threads=model.num_threads)
            found = certify(
                model,
                exported,
                videos=videos[:_CERTIFICATE_VIDEOS],
                is_exact=target.precision == "float32",
            )
            found.require()
            found.save(certificate_path(part))
        _move(part, path)
    return path


def certificate_path(path: Path) -> Path:
    """Return where the certificate of what lies at `path` is: beside a file, in a directory."""
    if path.is_dir():
        return path / "certificate.json"
    return path.with_name(f"{path.name}.certificate.json")


class _Calibration(Iterable[NDArray[np.float32]]):
    """The first frames of each video, prepared; read anew each time."""

    def __init__(self, model: Model, videos: Sequence[Source]) -> None:
        self._prepare = model.preprocessing
        self._videos = videos

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for video in self._videos:
            _, frames = read_frames(video, self._prepare.frame_rate, _CALIBRATION_FRAMES)
            yield np.stack([self._prepare(rgb) for rgb in frames])


def _target(to: str) -> Target:
    if to not in TARGETS:
        raise OptionError(
            f"to must be one of {', '.join(TARGETS)}; got {to!r}." + did_you_mean(str(to), TARGETS)
        )
    return TARGETS[to]


def _path(model: Model, path: str | os.PathLike[str] | None, target: Target) -> Path:
    """Return where to write, if that can be written."""
    path = Path(f"{model.name}{target.suffix}") if path is None else as_path(path)
    path = path.expanduser().absolute()
    if not target.is_directory:
        ending = Path(f"x{target.suffix}").suffix
        if path.suffix != ending:
            raise OptionError(f"{path.name!r} must end in {ending}, as such files do.")
        check_writable(path)
        return path
    if path.is_file() or (path.is_dir() and any(path.iterdir()) and not _is_savedmodel(path)):
        raise OptionError(
            f"{str(path)!r} is there already, and is no SavedModel; choose another name."
        )
    check_writable(path / "saved_model.pb" if path.is_dir() else path)
    return path


def _is_savedmodel(folder: Path) -> bool:
    return (folder / "saved_model.pb").is_file()


def _videos(given: Source | Sequence[Source] | Mapping[str, Source] | None) -> list[Source]:
    if given is None:
        from vidlab.datasets import sample_videos

        given = sample_videos()
    if isinstance(given, Mapping):
        given = list(given.values())
    if isinstance(given, (list, tuple)):
        if not given:
            raise OptionError("calibration= takes one or more videos; got an empty list.")
        return list(given)
    return [cast("Source", given)]


def _card(model: Model, path: Path, target: Target) -> ModelCard:
    """Return the model's card, with the variants that lie beside `path` under the same name.

    Raises:
        OptionError: The card that lies there is another model's.
    """
    card = replace(model.card, labels=_labels(model), variants=())
    variants = [each.name for each in model.card.variants]
    is_other = bool(variants) and model.variant not in variants  # weights that follow the card
    if is_other or target.precision != "float32":
        card = replace(card, accuracy={})  # what was measured holds for the same numbers only
    there = None if target.is_directory else card_beside(path)
    siblings = tuple(
        variant
        for variant in (there.variants if there else ())
        if variant.file != path.name and (path.parent / variant.file).exists()
    )
    if there is None or not siblings:
        return card
    if replace(there, variants=(), accuracy={}) != replace(card, accuracy={}):
        raise OptionError(
            f"{card_path(path).name} is the card of another model, {siblings[0].file}; choose "
            f"another name than {path.name}."
        )
    return replace(there, variants=siblings)


def _variant(model: Model, part: Path, target: Target) -> Variant:
    """Return what a card says of what lies at `part`."""
    files = sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]
    members = {p.relative_to(part).as_posix(): sha256_of(p) for p in files}
    return Variant(
        name=target.variant,
        precision=target.precision,
        format=target.format,
        file=part.name,
        sha256=None if target.is_directory else members["."],
        members=members if target.is_directory else {},
        size_bytes=sum(p.stat().st_size for p in files),
        note=f"exported from {model.provenance.weights_file}",
    )


def _labels(model: Model) -> str | tuple[str, ...] | None:
    """Return the model's labels as a card says them."""
    named = model.card.labels
    if isinstance(named, str) and LabelMap.named(named) == model.labels:
        return named
    if model.labels == LabelMap.numbered(model.num_classes):
        return None
    return tuple(model.labels)


def _move(part: Path, path: Path) -> None:
    """Give what was written its name, and likewise what lies beside it."""
    if part.is_dir():
        if path.is_dir():
            path.rename(part.parent / "replaced")
        part.replace(path)
        return
    certificate = certificate_path(part)
    pairs = [
        (part, path),
        (card_path(part), card_path(path)),
        (certificate, certificate_path(path)),
        (certificate.with_suffix(".png"), certificate_path(path).with_suffix(".png")),
    ]
    for source, target in pairs:
        if source.exists():
            source.replace(target)
        else:  # an earlier certificate says nothing of this file
            target.unlink(missing_ok=True)
