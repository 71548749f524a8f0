"""From a name, a path or a handle to a model that runs."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vidlab.core.console import say
from vidlab.core.errors import (
    ModelError,
    OptionError,
    UnknownModelError,
    WeightsError,
    WeightsNotFoundError,
    did_you_mean,
)
from vidlab.core.files import as_path
from vidlab.core.labels import LabelMap
from vidlab.models import lookup
from vidlab.models.backends.tensorflow_threads import threads_in_force
from vidlab.models.base import Model, Provenance, Selection, count, default_num_threads
from vidlab.models.card import (
    BACKENDS,
    CONVERTIBLE,
    NATIVE_FORMATS,
    Format,
    Kind,
    ModelCard,
    Variant,
    card_beside,
    card_named,
    card_path,
    cards,
)
from vidlab.models.lookup import Found
from vidlab.transforms import Preprocessing

if TYPE_CHECKING:
    import pandas as pd

_MODULE_OF = {
    "torch": "torch",
    "tfhub": "tensorflow_hub",
    "litert": "ai_edge_litert",
    "onnx": "onnxruntime",
    "keras": "keras",
}
_KAGGLE_HANDLE = re.compile(
    r"^(kaggle:)?([\w-]+/[\w-]+/(tensorFlow2|tfLite|pyTorch|other)/[\w-]+(/\d+)?)$", re.IGNORECASE
)

KINETICS_MODEL = "movinet-a0-stream"
SHIPPED_MODEL = "stickactions-a0-stream"

# Beyond this a mistyped number is likelier than such a machine.
_MAX_THREADS = 256


def load_model(
    name: str | os.PathLike[str],
    *,
    backend: str | None = None,
    variant: str | None = None,
    card: str | ModelCard | None = None,
    labels: LabelMap | Sequence[str] | str | os.PathLike[str] | None = None,
    num_threads: int | None = None,
    max_results: int | Literal["all"] | None = None,
    score_threshold: float | None = None,
    label_allow_list: Sequence[str] | None = None,
    label_deny_list: Sequence[str] | None = None,
) -> Model:
    """Load a model, ready to run.

    Weights are looked for at an explicit path, in the mirror directory that ``VIDLAB_MODELS``
    names, in the user cache, among those that ship with vidlab, and are then downloaded. Of a
    card's variants the first that is here and that the backend can run is taken; the model's
    ``title`` says which. Where only a LiteRT file or a SavedModel is here, the torch backend
    converts it once, says so, and keeps the result in the cache.

    Args:
        name: Name of a card (``list_models()``), path of a LiteRT file, a SavedModel directory,
            a safetensors file, the folder that :func:`~vidlab.fit` wrote, an ONNX file or a Keras
            file, a TF-Hub address, a Kaggle handle
            (``owner/model/framework/variation/version``), or any of these with the backend in
            front: ``"litert:movinet-a0-stream"``. A card beside a file (``NAME.toml``) or in a
            directory (``card.toml``) is read.
        backend: ``"torch"``, ``"tfhub"``, ``"litert"``, ``"onnx"`` or ``"keras"``; None takes
            the first that is installed, or the one that reads the file.
        variant: Weights to use, such as ``"float"`` or ``"int8"``; None takes the best here.
        card: Card (or its name) for a path or handle, instead of the one beside it.
        labels: Label map, list of labels, or path of a text file; None takes the card's.
        num_threads: Threads to compute with; None takes half of the cores.
        max_results: Rows a frame in tables made with this model (5), or ``"all"``.
        score_threshold: Probability below which a row is left out (0).
        label_allow_list: Only these labels in tables.
        label_deny_list: All but these labels in tables.

    Raises:
        UnknownModelError: No card, file, directory or handle goes by `name`.
        WeightsNotFoundError: The weights are not here and cannot be downloaded.
        WeightsError: The weights are not what they claim to be.
        MissingDependencyError: The backend is not installed; the message says what to run.
        OptionError: An option is unknown or out of range.
    """
    selection = Selection().updated(
        max_results=max_results,
        score_threshold=score_threshold,
        label_allow_list=label_allow_list,
        label_deny_list=label_deny_list,
    )
    threads = (
        default_num_threads()
        if num_threads is None
        else count(num_threads, "num_threads", at_most=_MAX_THREADS)
    )
    name, backend = _split_backend(str(as_path(name)) if name else "", backend)
    if not name:
        raise UnknownModelError("A model needs a name, a path or a handle; got an empty name.")
    if isinstance(card, str):
        card = card_named(card)
    opener = _Opener(labels=_label_map(labels), num_threads=threads, selection=selection)

    path = Path(name).expanduser()
    if name in cards():
        if card is not None:
            raise OptionError(f"card= goes with a path or a handle; {name!r} is a card itself.")
        return _load_card(card_named(name), backend, variant, opener)
    if variant is not None:
        raise OptionError(f"variant= goes with the name of a card; {name!r} is not one.")
    if path.exists():
        return _load_path(path, backend, card, opener)
    if name.startswith(("https://", "http://")):
        return _load_hub_address(name, backend, card, opener)
    handle = _KAGGLE_HANDLE.match(name)
    if handle is not None:
        from vidlab.models.download import kaggle_directory

        folder = kaggle_directory(handle[2])
        return _load_path(folder, backend, card or _card_like(handle[2]), opener)
    card_named(name)  # raises, with the nearest name
    raise UnknownModelError(f"No model is called {name!r}.")


def default_model(*backends: str) -> str:
    """Return the name of the model to begin with: one whose weights are on this machine.

    It is MoViNet-A0 stream trained on Kinetics-600 where its weights are here, and else the one
    that ships with vidlab, which knows the actions of drawn people. Nothing is downloaded.

    Args:
        backends: Runtimes that are all to run it; none for any.

    Raises:
        OptionError: A backend is unknown.
    """
    for backend in backends:
        _split_backend("", backend)
    card = card_named(KINETICS_MODEL)
    here = [item for item in card.variants if lookup.find(item) is not None]
    wanted = [
        [item for item in here if backend is None or _can_run(backend, card, item)]
        for backend in backends or (None,)
    ]
    if all(wanted):
        return KINETICS_MODEL
    say(
        f"the weights of {KINETICS_MODEL} are not here, so {SHIPPED_MODEL} is taken, which knows "
        f"drawn people only; load_model({KINETICS_MODEL!r}) downloads them"
    )
    return SHIPPED_MODEL


def list_models() -> pd.DataFrame:
    """Return every model with a card, one row per variant, and whether it is here.

    Returns:
        Columns ``name, variant, here, place, backends, precision, licence, top1, top5,
        input_px, frame_rate, size_mb, title, note``. ``here`` says that the weights lie in the
        mirror, the cache or the package; ``backends`` which runtimes can run them; ``top1`` and
        ``top5`` are the published figures in per cent.
    """
    import pandas as pd

    rows = []
    for card in cards().values():
        for variant in card.variants:
            note = variant.note
            try:
                found = lookup.find(variant)
            except WeightsNotFoundError:
                raise  # the mirror itself is missing
            except WeightsError as error:
                found, note = None, f"damaged: {error}"
            rows.append(
                {
                    "name": card.name,
                    "variant": variant.name,
                    "here": found is not None,
                    "place": found.place if found else None,
                    "backends": ", ".join(
                        backend for backend in BACKENDS if _can_run(backend, card, variant)
                    ),
                    "precision": variant.precision,
                    "licence": card.licence,
                    "top1": variant.top1 or card.accuracy.get("top1"),
                    "top5": None if variant.top1 else card.accuracy.get("top5"),
                    "input_px": f"{card.preprocessing.width_px}x{card.preprocessing.height_px}",
                    "frame_rate": card.preprocessing.frame_rate,
                    "size_mb": variant.size_bytes / 1e6 if variant.size_bytes else None,
                    "title": card.title,
                    "note": note,
                }
            )
    return pd.DataFrame(rows)


def _split_backend(name: str, backend: str | None) -> tuple[str, str | None]:
    prefix, colon, rest = name.partition(":")
    if colon and prefix in BACKENDS:
        if backend not in (None, prefix):
            raise OptionError(f"{name!r} asks for {prefix}, but backend={backend!r} was given.")
        name, backend = rest, prefix
    if backend is not None and backend not in BACKENDS:
        raise OptionError(
            f"backend must be one of {', '.join(BACKENDS)}; got {backend!r}."
            + did_you_mean(str(backend), BACKENDS)
        )
    return name, backend


def _label_map(
    labels: LabelMap | Sequence[str] | str | os.PathLike[str] | None,
) -> LabelMap | None:
    if labels is None or isinstance(labels, LabelMap):
        return labels
    if not isinstance(labels, (str, os.PathLike, Sequence)):
        raise OptionError(f"labels= takes a LabelMap, a list or a path; got {labels!r}.")
    if isinstance(labels, (str, os.PathLike)):
        if Path(labels).is_file():
            return LabelMap.from_file(labels)
        return LabelMap.named(os.fspath(labels))
    return LabelMap(list(labels))


def _is_installed(backend: str) -> bool:
    return importlib.util.find_spec(_MODULE_OF[backend]) is not None


def _can_run(backend: str, card: ModelCard, variant: Variant) -> bool:
    if variant.format in NATIVE_FORMATS[backend]:
        return True
    return backend == "torch" and card.family == "movinet" and variant.format in CONVERTIBLE


def _load_card(card: ModelCard, backend: str | None, variant: str | None, opener: _Opener) -> Model:
    wanted = [card.variant(variant)] if variant else list(card.variants)
    if backend is None:
        usable = [
            name
            for name in ("torch", "litert", "tfhub", "onnx", "keras")
            if _is_installed(name) and any(_can_run(name, card, item) for item in wanted)
        ]
        backend = usable[0] if usable else "torch"  # whose absence is then told
    wanted = [item for item in wanted if _can_run(backend, card, item)]
    if not wanted:
        raise OptionError(
            f"The {backend} backend cannot run {card.name}"
            f"{f' ({variant})' if variant else ''}: no variant has a format it reads."
        )
    found = next((hit for item in wanted if (hit := lookup.find(item)) is not None), None)
    if found is None:
        found = _download_best(card, wanted, backend)
    return opener.open(card, found, backend)


def _download_best(card: ModelCard, wanted: list[Variant], backend: str) -> Found:
    from vidlab.models.download import download_variant

    # What can be checked goes first, then the card's own order.
    for item in sorted(wanted, key=lambda item: not item.is_pinned):
        if item.url is not None or item.handle is not None:
            if item != wanted[0]:
                say(
                    f"taking {card.name} ({item.name}), whose checksum is known; "
                    f"variant={wanted[0].name!r} asks for {wanted[0].note or wanted[0].name}"
                )
            return Found(download_variant(card, item), "cache", item)
    raise lookup.missing(card, backend=backend, variants=wanted)


def _load_path(path: Path, backend: str | None, card: ModelCard | None, opener: _Opener) -> Model:
    if (path / lookup.FITTED_WEIGHTS).is_file():
        path = path / lookup.FITTED_WEIGHTS
    format_ = format_of(path)
    native = next(name for name, formats in NATIVE_FORMATS.items() if format_ in formats)
    backend = backend or native
    if backend not in ((native, "torch") if format_ in CONVERTIBLE else (native,)):
        raise OptionError(
            f"The {backend} backend cannot run {path.name}: it is a {format_} model. "
            f"Use backend={native!r}."
        )
    known = None
    if card is None:
        known = _card_with(path, format_) or _card_of_content(path, format_)
    if known is not None:
        return opener.open(known[0], Found(path, "path", known[1]), backend)
    about = Variant(
        name=path.stem, precision="", format=format_, file=path.name, note="from a path"
    )
    if card is None and native == "tfhub":
        card = _card_like(str(path))  # the only hint; the other formats say what they are
    return opener.open(card, Found(path, "path", about), backend)


def format_of(path: Path) -> Format:
    """Return the format of a weights file or directory, by its content.

    Raises:
        UnknownModelError: It is none that vidlab reads.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "savedmodel"
        raise UnknownModelError(
            f"The directory {str(path)!r} holds no saved_model.pb, so it is not a SavedModel."
        )
    try:
        with open(path, "rb") as stream:
            head = stream.read(9)
    except OSError as error:
        raise UnknownModelError(f"Cannot read {str(path)!r}: {error}.") from error
    if head[4:8] == b"TFL3":
        return "litert"
    if head.startswith((b"\x89HDF", b"PK\x03\x04")) and path.suffix in (".h5", ".keras"):
        return "keras"
    if path.suffix == ".onnx":  # protocol buffers have no mark to know them by
        return "onnx"
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        return "safetensors"
    raise UnknownModelError(
        f"{str(path)!r} is neither a LiteRT file, a safetensors file, an ONNX file, a "
        "Keras file nor a SavedModel directory."
    )


def _card_with(path: Path, format_: Format) -> tuple[ModelCard, Variant] | None:
    """Return the card beside a file or in a directory, and the variant that these weights are."""
    card = card_beside(path)
    if card is None:
        return None
    fitting = [variant for variant in card.variants if variant.format == format_]
    named = [variant for variant in fitting if variant.file == path.name]
    if not named and len(fitting) != 1:
        return card, Variant(name=path.stem, precision="", format=format_, file=path.name)
    variant = (named or fitting)[0]
    lookup.check(
        variant,
        path,
        remedy=f"Replace it, or remove its checksum from the card {card_path(path).name}.",
    )
    return card, variant


def _card_of_content(path: Path, format_: Format) -> tuple[ModelCard, Variant] | None:
    for card in cards().values():
        for variant in card.variants:
            if not variant.is_pinned or variant.format != format_:
                continue
            if format_ == "savedmodel":
                try:
                    lookup.check(variant, path)
                except ModelError:
                    continue
                return card, variant
            if variant.size_bytes == path.stat().st_size and (
                lookup.content_hash(path) == variant.sha256
            ):
                return card, variant
    return None


def _card_like(name: str) -> ModelCard | None:
    """Return the MoViNet card that a path or handle speaks of, if it names size and kind."""
    match = re.search(r"movinet.*?[-_/](a[0-5])[-_/](stream|base)", name.lower())
    return cards().get(f"movinet-{match[1]}-{match[2]}") if match else None


def _load_hub_address(
    address: str, backend: str | None, card: ModelCard | None, opener: _Opener
) -> Model:
    if backend not in (None, "tfhub"):
        raise OptionError(f"An address is loaded by the tfhub backend; got backend={backend!r}.")
    from vidlab.core.dependencies import require
    from vidlab.core.errors import OfflineError

    hub = require("tensorflow_hub", why="a TF-Hub address")
    try:
        folder = Path(hub.resolve(address))
    except Exception as error:  # urllib, OSError, TensorFlow's OpError and ValueError alike
        raise OfflineError(
            f"{address} cannot be fetched ({error}). Without a network: unpack it into a "
            "directory and pass that directory to load_model."
        ) from error
    return _load_path(folder, "tfhub", card or _card_like(address), opener)


class _Opener:
    """Opens weights that are here with the options of one ``load_model`` call."""

    def __init__(self, *, labels: LabelMap | None, num_threads: int, selection: Selection) -> None:
        self.labels = labels
        self.num_threads = num_threads
        self.selection = selection

    def open(self, card: ModelCard | None, found: Found, backend: str) -> Model:
        open_with = {
            "torch": self._torch,
            "tfhub": self._tfhub,
            "litert": self._litert,
            "onnx": self._onnx,
            "keras": self._keras,
        }
        return open_with[backend](card, found)

    def _litert(self, card: ModelCard | None, found: Found) -> Model:
        from vidlab.models.backends import litert_backend as litert

        signature = litert.LiteRTSignature(found.path, num_threads=self.num_threads)
        if card is None and not signature.is_stream:
            raise _needs_card(found.path)
        if card is None:
            _, _, height, width, _ = signature.image_shape
            card = _anonymous_card(found.path.stem, height, width, signature.num_classes)
        _check_kind(card, found, _kind(is_stream=signature.is_stream))
        about = self._about(card, found, signature.num_classes, litert.runtime())
        return litert.LiteRTModel(signature, **about)

    def _tfhub(self, card: ModelCard | None, found: Found) -> Model:
        from vidlab.models.backends import tfhub_backend as tfhub

        if card is None:
            raise _needs_card(found.path)
        module = tfhub.load_module(found.path, num_threads=self.num_threads)
        _check_kind(card, found, _kind(is_stream=tfhub.is_stream(module)))
        about = self._about(card, found, tfhub.num_classes_of(module), tfhub.runtime())
        about["num_threads"] = threads_in_force()
        return tfhub.TFHubModel(module, **about)

    def _onnx(self, card: ModelCard | None, found: Found) -> Model:
        from vidlab.models.backends import onnx_backend as onnx

        if card is None:
            raise _needs_card(found.path)
        session = onnx.OnnxSession(found.path, num_threads=self.num_threads)
        _check_kind(card, found, _kind(is_stream=session.is_stream))
        about = self._about(card, found, session.num_classes, onnx.runtime())
        return onnx.OnnxModel(session, **about)

    def _keras(self, card: ModelCard | None, found: Found) -> Model:
        from vidlab.models.backends import keras_backend as keras

        if card is None:
            raise _needs_card(found.path)
        network = keras.load_keras(found.path, num_threads=self.num_threads)
        _check_kind(card, found, "frame")
        about = self._about(card, found, network.output_shape[-1], keras.runtime())
        about["num_threads"] = threads_in_force()
        return keras.KerasModel(network, **about)

    def _torch(self, card: ModelCard | None, found: Found) -> Model:
        from vidlab.models.backends import torch_backend

        source = _cheapest_source(card, found)
        network, converted_from = torch_backend.load_network(source.path)
        if not hasattr(network, "for_inference"):  # no MoViNet: it looks at single pictures
            if card is None:
                raise _needs_card(found.path)
            _check_kind(card, source, "frame")
            about = self._about(card, source, network.num_classes, torch_backend.runtime())
            return torch_backend.TorchFrameModel(network, **about)
        said = f"movinet-{network.config.size}-{network.config.kind}"
        if card is None:
            card = cards().get(said)
        if card is None:
            raise _needs_card(found.path)
        # Of a published model the name says which network it is; others may hold any.
        if re.fullmatch(r"movinet-a\d-(base|stream)", card.name) and card.name != said:
            raise OptionError(
                f"{source.path.name} holds a {said}; the card {card.name} is another."
            )
        _check_kind(card, source, _kind(is_stream=network.config.causal))
        about = self._about(card, source, network.config.num_classes, torch_backend.runtime())
        about["variant"] = found.variant.name
        about["provenance"] = replace(about["provenance"], converted_from=converted_from)
        return torch_backend.TorchModel(network, **about)

    def _about(
        self, card: ModelCard, found: Found, num_classes: int, runtime: str
    ) -> dict[str, Any]:
        labels = self.labels
        if labels is None:
            labels = card.label_map(num_classes)
        elif len(labels) != num_classes:
            raise OptionError(
                f"{found.path.name} gives {num_classes} logits; labels= has {len(labels)} labels."
            )
        return {
            "card": card,
            "variant": found.variant.name,
            "labels": labels,
            "provenance": Provenance(
                weights_file=found.path.name,
                weights_sha256=lookup.content_hash(found.path),
                place=found.place,
                runtime=runtime,
            ),
            "num_threads": self.num_threads,
            "selection": self.selection,
        }


def _kind(*, is_stream: bool) -> Kind:
    return "stream" if is_stream else "clip"


def _check_kind(card: ModelCard, found: Found, kind: Kind) -> None:
    if kind != card.kind:
        raise OptionError(f"{found.path.name} is a {kind} model; {card.name} is not.")


def _cheapest_source(card: ModelCard | None, found: Found) -> Found:
    """Return what to convert from: a twin with the same weights may need no TensorFlow."""
    twin_name = found.variant.same_weights_as
    if card is None or twin_name is None or found.place == "path":
        return found
    return lookup.find(card.variant(twin_name)) or found


def _anonymous_card(name: str, height: int, width: int, num_classes: int) -> ModelCard:
    labels = "kinetics-600" if num_classes == 600 else None
    known = "the labels of Kinetics-600, " if labels else ""
    say(
        f"{name}: {known}5 frames a second and pixels from 0 to 1 are assumed; card= says otherwise"
    )
    return ModelCard(
        name=name,
        title=name,
        family="movinet",
        kind="stream",
        labels=labels,
        preprocessing=Preprocessing(height_px=height, width_px=width, frame_rate=5.0),
    )


def _needs_card(path: Path) -> OptionError:
    return OptionError(
        f"{path.name} does not say its input size and frame rate. Name the card it follows: "
        f'load_model({str(path)!r}, card="movinet-a0-stream").'
    )
