"""From a name, a path or a handle to a model that runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vidlab.core.console import say
from vidlab.core.errors import (
    ModelError,
    OptionError,
    UnknownModelError,
    WeightsError,
    did_you_mean,
)
from vidlab.core.files import as_path
from vidlab.core.labels import LabelMap
from vidlab.models import lookup
from vidlab.models.arrays import open_array
from vidlab.models.base import LoadedModel, Model, Selection, count, default_num_threads
from vidlab.models.card import (
    CONVERTIBLE,
    CONVERTING,
    DIRECTORY_FORMATS,
    Format,
    ModelCard,
    Variant,
    card_beside,
    card_named,
    card_path,
    cards,
)
from vidlab.models.choosing import quickest
from vidlab.models.lookup import Found
from vidlab.models.opening import CARD_SNIPPET, Opening, without_card
from vidlab.models.registry import backends, formats
from vidlab.models.reopening import open_with

if TYPE_CHECKING:
    import pandas as pd

_KAGGLE_HANDLE = re.compile(
    r"^(kaggle:)?([\w-]+/[\w-]+/(tensorFlow2|tfLite|pyTorch|other)/[\w-]+(/\d+)?)$", re.IGNORECASE
)

# What the addresses and folders of published SavedModels are called, and the cards of these models.
_CARD_HINTS = (
    (r"movinet.*?[-_/](a[0-5])[-_/](stream|base)", r"movinet-\1-\2"),
    (r"movenet.*?single-?pose[-_/](lightning|thunder)", r"movenet-\1"),
    (r"movenet.*?multi-?pose[-_/]lightning", "movenet-multipose"),
)

# Forms of a model on TF-Hub that are no SavedModels, and what to take of them.
_OTHER_HUB_FORMS = {
    "/lite-model/": "a LiteRT file: download it, and pass its path and, if need be, card=",
    "/tfjs-model/": "for browsers: take its address without tfjs-model/",
}

_HUGGING_FACE_REPOSITORY = re.compile(r"^[\w.-]+/[\w.-]+$")

_AUTO = "auto"

KINETICS_MODEL = "movinet-a0-stream"
SHIPPED_MODEL = "stickactions-a0-stream"

# Beyond this a mistyped number is likelier than such a machine.
_MAX_THREADS = 256


@dataclass(frozen=True, kw_only=True)
class _Options:
    """The options of one ``load_model`` call that backends are given."""

    labels: LabelMap | None
    num_threads: int
    selection: Selection
    precision: str | None

    def opening(self, card: ModelCard | None, found: Found) -> Opening:
        return Opening(
            card=card,
            found=found,
            labels=self.labels,
            num_threads=self.num_threads,
            selection=self.selection,
            precision=self.precision,
        )

    def open(self, card: ModelCard | None, found: Found, backend: str) -> LoadedModel:
        self.check_precision(backend)
        able = backends()[backend]
        if card is not None and card.kind == "pose" and not able.finds_poses:
            raise OptionError(
                f"The {backend} backend opens no models of keypoints, as {card.name} is one; "
                f"{', '.join(name for name, each in backends().items() if each.finds_poses)} do."
            )
        return open_with(backend, self.opening(card, found))

    def check_precision(self, backend: str) -> None:
        """Refuse numbers that a backend cannot be told to compute with."""
        able = backends()[backend].precisions
        if self.precision is not None and self.precision not in able:
            raise OptionError(
                f"The {backend} backend takes "
                + (f"precision= {' or '.join(able)}" if able else "no precision=")
                + f"; got {self.precision!r}."
            )


def load_model(
    name: str | os.PathLike[str] | Callable[..., Any],
    *,
    backend: str | None = None,
    variant: str | None = None,
    card: str | ModelCard | None = None,
    labels: LabelMap | Sequence[str] | str | os.PathLike[str] | None = None,
    num_threads: int | None = None,
    precision: str | None = None,
    max_results: int | Literal["all"] | None = None,
    score_threshold: float | None = None,
    label_allow_list: Sequence[str] | None = None,
    label_deny_list: Sequence[str] | None = None,
) -> LoadedModel:
    """Load a model, ready to run.

    Weights are looked for at an explicit path, in the mirror directory that ``VIDLAB_MODELS``
    names, in the user cache, among those that ship with vidlab, and are then downloaded. Of a
    card's variants the first that is here and that the backend can run is taken; the model's
    ``title`` says which. Where only a LiteRT file or a SavedModel is here, the torch backend
    converts it once, says so, and keeps the result in the cache.

    Args:
        name: Name of a card (``list_models()``), path of a LiteRT file, a SavedModel directory,
            a safetensors file, the folder that :func:`~vidlab.fit` wrote, an ONNX file or a Keras
            file, a directory of transformers', a TF-Hub address, a Kaggle handle
            (``owner/model/framework/variation/version``), or any of these with the backend in
            front: ``"litert:movinet-a0-stream"``; ``"transformers:owner/name"`` is a repository of
            the Hugging Face Hub. A card beside a file (``NAME.toml``) or in a
            directory (``card.toml``) is read. Or a network of your own, a ``torch.nn.Module`` or
            a function from an array to logits, with its `card`.
        backend: ``"torch"``, ``"litert"``, ``"tfhub"``, ``"onnx"``, ``"opencv"``, ``"openvino"``,
            ``"keras"``, ``"transformers"``, or one of another package; None takes the first that
            is installed, or the one that reads the file. ``"auto"`` measures those that can run
            the model on this machine, shows what it found, and takes the quickest.
        variant: Weights to use, such as ``"float"`` or ``"int8"``; None takes the best here.
        card: Card (or its name) for a path or handle, instead of the one beside it.
        labels: Label map, list of labels, or path of a text file; None takes the card's.
        num_threads: Threads to compute with; None takes half of the cores.
        precision: ``"float32"`` or ``"bfloat16"`` (half the bits, where the processor has it), for
            the openvino backend; None takes float32.
        max_results: Rows a frame in tables made with this model (5), or ``"all"``.
        score_threshold: Probability below which a row is left out (0).
        label_allow_list: Only these labels in tables.
        label_deny_list: All but these labels in tables.

    Returns:
        A `~vidlab.models.Model`, which answers with labels, or a `~vidlab.models.PoseModel`, which
        answers with people's keypoints: what lies at `name` says which.

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
    if isinstance(card, str):
        card = card_named(card)
    if card is not None and not isinstance(card, ModelCard):
        raise OptionError(f"card= takes a vidlab.ModelCard or the name of one; got {card!r}.")
    options = _Options(
        labels=_label_map(labels), num_threads=threads, selection=selection, precision=precision
    )
    if callable(name) and not isinstance(name, (str, os.PathLike)):
        if variant is not None:
            raise OptionError("A network of your own goes without variant=.")
        return _load_own(name, backend, card, options)
    # A string stays as it is: a path would make one slash of an address's two.
    text = name if isinstance(name, str) else str(as_path(name))
    name, backend = _split_backend(text, backend)
    if not name:
        raise UnknownModelError("A model needs a name, a path or a handle; got an empty name.")

    path = Path(name).expanduser()
    if backend == _AUTO:
        able = _able(name, path, variant, precision)
        backend = quickest(
            able,
            lambda each: load_model(
                name, backend=each, variant=variant, card=card, labels=labels,
                num_threads=num_threads, precision=precision,
            ),
        )  # fmt: skip
    if name in cards():
        if card is not None:
            raise OptionError(f"card= goes with a path or a handle; {name!r} is a card itself.")
        return _load_card(card_named(name), backend, variant, options)
    if variant is not None:
        raise OptionError(f"variant= goes with the name of a card; {name!r} is not one.")
    if path.exists():
        return _load_path(path, backend, card, options)
    if name.startswith(("https://", "http://")):
        return _load_hub_address(name, backend, card, options)
    handle = _KAGGLE_HANDLE.match(name)
    if handle is not None:
        from vidlab.models.download import kaggle_directory

        folder = kaggle_directory(handle[2])
        files = list(folder.glob("*.tflite"))
        path = files[0] if len(files) == 1 else folder
        return _load_path(path, backend, card, options, called=handle[2])
    if backend == "transformers" and _HUGGING_FACE_REPOSITORY.match(name):
        from vidlab.models.download import hugging_face_directory

        return _load_path(hugging_face_directory(name), backend, card, options)
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
        input_px, frame_rate, size_mb, checked, title, note``. ``here`` says that the weights lie
        in the mirror, the cache or the package; ``backends`` which runtimes can run them; ``top1``
        and ``top5`` are the published figures in per cent; ``checked`` is ``"ok"`` where the
        content has the card's checksum, ``"damaged"`` where it has another, ``"unknown"`` where
        no checksum is known, and empty where nothing is here.
    """
    from vidlab.core.listing import Listing

    lookup.check_mirror()
    rows = []
    for card in cards().values():
        for variant in card.variants:
            note, checked = variant.note, ""
            try:
                found = lookup.find(variant)
                if found is not None:
                    checked = "ok" if variant.is_pinned else "unknown"
            except WeightsError as error:
                found, note, checked = None, f"damaged: {error}", "damaged"
            rows.append(
                {
                    "name": card.name,
                    "variant": variant.name,
                    "here": found is not None,
                    "place": found.place if found else None,
                    "backends": ", ".join(
                        backend for backend in backends() if _can_run(backend, card, variant)
                    ),
                    "precision": variant.precision,
                    "licence": card.licence,
                    "top1": variant.top1 or card.accuracy.get("top1"),
                    "top5": None if variant.top1 else card.accuracy.get("top5"),
                    "input_px": f"{card.preprocessing.width_px}x{card.preprocessing.height_px}",
                    "frame_rate": card.preprocessing.frame_rate,
                    "size_mb": variant.size_bytes / 1e6 if variant.size_bytes else None,
                    "checked": checked,
                    "title": card.title,
                    "note": note,
                }
            )
    return Listing(rows)


def download_model(name: str, *, variant: str | None = None) -> Path:
    """Download a model's weights into the cache, if they are not on this machine yet.

    Args:
        name: Name of a card.
        variant: Weights to download; None takes the first that have an address.

    Returns:
        Where they are.

    Raises:
        UnknownModelError: No card is called that.
        WeightsNotFoundError: They are nowhere and have no address.
        OfflineError: The network cannot be reached; the message says what to put where.
        DownloadError: The download failed; run again, it goes on where it stopped.
    """
    from vidlab.models.download import download_variant

    card = card_named(name)
    wanted = [card.variant(variant)] if variant else list(card.variants)
    for item in wanted:
        if (found := lookup.find(item)) is not None:
            return found.path
    for item in wanted:
        if item.url is not None or item.handle is not None:
            return download_variant(card, item)
    raise lookup.missing(card, backend="any", variants=wanted)


def _split_backend(name: str, backend: str | None) -> tuple[str, str | None]:
    prefix, colon, rest = name.partition(":")
    if colon and prefix in (*backends(), _AUTO):
        if backend not in (None, prefix):
            raise OptionError(f"{name!r} asks for {prefix}, but backend={backend!r} was given.")
        name, backend = rest, prefix
    known = [*backends(), _AUTO]
    if backend is not None and backend not in known:
        raise OptionError(
            f"backend must be one of {', '.join(known)}; got {backend!r}."
            + did_you_mean(str(backend), known)
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


def _can_run(backend: str, card: ModelCard, variant: Variant) -> bool:
    if card.kind == "pose" and not backends()[backend].finds_poses:
        return False
    if variant.format in backends()[backend].formats:
        return True
    return backend in CONVERTING and card.family == "movinet" and variant.format in CONVERTIBLE


def _able(name: str, path: Path, variant: str | None, precision: str | None) -> list[str]:
    """Return the backends that are installed and can run what is on this machine.

    Raises:
        OptionError: There is none.
    """
    installed = [
        each
        for each, backend in backends().items()
        if backend.is_installed and (precision is None or precision in backend.precisions)
    ]
    if name in cards():
        known = card_named(name)
        wanted = [known.variant(variant)] if variant else list(known.variants)
        here = [item for item in wanted if lookup.find(item) is not None]
        able = [each for each in installed if any(_can_run(each, known, item) for item in here)]
    elif path.exists():
        format_ = format_of(_weights_at(path))
        able = [each for each in installed if _reads(each, format_)]
    else:
        able = []
    if not able:
        raise OptionError(
            f"backend='auto' measures what is here, and {name!r} is not, or no backend that runs "
            f"it{f' with precision={precision!r}' if precision else ''} is installed. Load it once "
            "with a backend of its own."
        )
    return able


def _reads(backend: str, format_: Format) -> bool:
    is_native = format_ in backends()[backend].formats
    return is_native or (backend in CONVERTING and format_ in CONVERTIBLE)


def _load_own(
    network: Callable[..., Any], backend: str | None, card: ModelCard | None, options: _Options
) -> Model:
    """Load a network that is here already."""
    is_module = hasattr(network, "state_dict")
    if is_module and backend == _AUTO:
        able = [each for each in ("torch", "openvino") if backends()[each].is_installed]
        if options.precision is not None:
            able = [each for each in able if options.precision in backends()[each].precisions]
        backend = quickest(able, lambda each: _load_own(network, each, card, options))
    backend = backend or ("torch" if is_module else "python")
    if backend not in (("torch", "openvino") if is_module else ("python",)):
        raise OptionError(
            f"A network of your own is run by {'torch or openvino' if is_module else 'Python'}; "
            f"got backend={backend!r}."
        )
    if backend != "python":
        options.check_precision(backend)
    elif options.precision is not None:
        raise OptionError("A function of your own takes no precision=.")
    name = (
        type(network).__name__
        if is_module
        else (getattr(network, "__name__", type(network).__name__))
    )
    if card is None:
        raise OptionError(
            f"{name} does not say what it takes. Pass its card: "
            f"load_model(network, {CARD_SNIPPET})."
        )
    if card.kind == "pose":
        raise OptionError(
            f"A network of your own answers with labels; {card.name} finds keypoints."
        )
    about = Variant(name="own", precision="", format="memory", file=name)
    opening = options.opening(card, Found(Path(name), "memory", about))
    if backend == "openvino":
        from vidlab.models.backends import openvino_backend

        return openvino_backend.wrap_module(network, opening)
    if backend == "torch":
        from vidlab.models.backends import torch_backend

        return torch_backend.wrap_module(network, opening)
    return open_array(network, opening, backend="python", runtime="Python")


def _load_card(
    card: ModelCard, backend: str | None, variant: str | None, options: _Options
) -> LoadedModel:
    wanted = [card.variant(variant)] if variant else list(card.variants)
    if backend is None:
        usable = [
            name
            for name, each in backends().items()
            if each.is_installed and any(_can_run(name, card, item) for item in wanted)
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
    return options.open(card, found, backend)


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


def _load_path(
    path: Path,
    backend: str | None,
    card: ModelCard | None,
    options: _Options,
    *,
    called: str | None = None,
) -> LoadedModel:
    """Load what lies at a path; `called` is how people know it where that says nothing."""
    path = _weights_at(path)
    format_ = format_of(path)
    native = formats()[format_]
    backend = backend or native
    if not _reads(backend, format_):
        raise OptionError(
            f"The {backend} backend cannot run {path.name}: it is a {format_} model. "
            f"Use backend={native!r}."
        )
    known = None
    if card is None:
        known = _card_with(path, format_) or _card_of_content(path, format_)
    if known is not None:
        return options.open(known[0], Found(path, "path", known[1]), backend)
    about = Variant(
        name=called or path.stem, precision="", format=format_, file=path.name, note="from a path"
    )
    if card is None and (called or native == "tfhub"):
        card = _card_like(called or str(path))  # the only hint; the others say what they are
        if card is None and backend == "tfhub":
            raise without_card(called or path.name)
    return options.open(card, Found(path, "path", about), backend)


def _weights_at(path: Path) -> Path:
    """Return the weights inside a folder that `fit` wrote, or the path as it is."""
    fitted = path / lookup.FITTED_WEIGHTS
    is_fitted = fitted.is_file() and not (path / DIRECTORY_FORMATS["transformers"]).is_file()
    return fitted if is_fitted else path


def format_of(path: Path) -> Format:
    """Return the format of a weights file or directory, by its content.

    Raises:
        UnknownModelError: It is none that vidlab reads.
    """
    if path.is_dir():
        for format_, inside in DIRECTORY_FORMATS.items():
            if (path / inside).is_file():
                return format_
        if known := _recognised(path):
            return known
        raise UnknownModelError(
            f"The directory {str(path)!r} is neither a SavedModel nor a model of transformers', "
            f"for it holds neither {' nor '.join(DIRECTORY_FORMATS.values())}."
        )
    try:
        with open(path, "rb") as stream:
            head = stream.read(9)
    except OSError as error:
        raise UnknownModelError(f"Cannot read {str(path)!r}: {error}.") from error
    if head[4:8] == b"TFL3":
        return "litert"
    if path.suffix in (".pth", ".pt") and head.startswith((b"PK\x03\x04", b"\x80")):
        return "pth"
    if head.startswith((b"\x89HDF", b"PK\x03\x04")) and path.suffix in (".h5", ".keras"):
        return "keras"
    if path.suffix == ".onnx":  # protocol buffers have no mark to know them by
        return "onnx"
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        return "safetensors"
    if known := _recognised(path):
        return known
    raise UnknownModelError(
        f"{str(path)!r} is neither a LiteRT file, a safetensors file, an ONNX file, a "
        "Keras file nor a SavedModel directory."
    )


def _recognised(path: Path) -> Format | None:
    """Return the format that a backend of another package knows a file or directory by."""
    asked = (backend.recognises for backend in backends().values() if backend.recognises)
    return next((known for each in asked if (known := each(path))), None)


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
                lookup.same_checksum(lookup.content_hash(path), variant.sha256)
            ):
                return card, variant
    return None


def _card_like(name: str) -> ModelCard | None:
    """Return the card of the published model that a path, handle or address speaks of."""
    for pattern, card in _CARD_HINTS:
        if match := re.search(pattern, name.lower()):
            return cards().get(match.expand(card))
    return None


def _load_hub_address(
    address: str, backend: str | None, card: ModelCard | None, options: _Options
) -> LoadedModel:
    if backend not in (None, "tfhub"):
        raise OptionError(f"An address is loaded by the tfhub backend; got backend={backend!r}.")
    for form, what in _OTHER_HUB_FORMS.items():
        if form in address:
            raise OptionError(f"{address} is {what}.")
    from vidlab.models.download import hub_directory

    folder = hub_directory(address)
    return _load_path(folder, "tfhub", card, options, called=address)
