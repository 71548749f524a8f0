"""Drift: how far one model's numbers part between runtimes and precisions, and where they begin to.

::

    float32 = vl.load_model("stickactions-a0-stream", backend="torch")
    int8 = vl.load_model("stickactions-a0-stream", backend="litert", variant="int8")
    drift = vl.drift(["squat.mp4", "jump.mp4"], [float32, int8])
    drift.table          # one row a model: errors, agreement, flips
    drift.flips          # the videos whose final answer is another
    drift.plot()         # errors by elapsed frame: what piles up in a stream state grows here

Errors are relative: the Euclidean norm of the difference over that of the reference (Higham,
"Accuracy and Stability of Numerical Algorithms", 2002, section 6.2). 1e-7 to 1e-5 is what float32
leaves to the order of its sums; 8-bit integers come to some hundredths or tenths.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidlab.attribution.answers import answer_pieces, go_on, sampled, verdict
from vidlab.certificate import NEAR_TIE
from vidlab.core.console import progress as progress_bar
from vidlab.core.dependencies import require
from vidlab.core.errors import OptionError, PredictionsError, did_you_mean
from vidlab.core.naming import shortest_names
from vidlab.core.probabilities import jensen_shannon, softmax
from vidlab.inference import Rate, Source, as_video, rate_for
from vidlab.models.arrays import ArrayModel
from vidlab.models.backends.torch_backend import TorchArrayModel, TorchFrameModel, TorchModel
from vidlab.models.base import LoadedModel, Model, State, check_model, count
from vidlab.models.export.plan import SUM_UNIT
from vidlab.video import Video

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]

_STATE_COLUMNS = ["model", "against", "video", "elapsed_frames", "state", "relative_error"]
_LAYER_COLUMNS = ["model", "against", "layer", "relative_error", "cosine"]

# How many names a note lists.
_MOST_NAMED = 3


def drift(
    videos: Source | Sequence[Source],
    models: Sequence[LoadedModel] | Mapping[str, LoadedModel],
    *,
    layers: Sequence[str] | None = None,
    fps: Rate = None,
    num_frames: int | None = None,
    progress: bool = True,
) -> Drift:
    """Run models on the very same prepared frames, and tell how far each is from the first.

    Stream models go frame by frame, so that their states can be compared after each one: tensors
    of the same name and shape, where states go by the names of TF-Hub's files (tfhub, litert; of
    onnx the sums, as its frames are laid out otherwise) or of vidlab's networks (torch).

    Layers are compared between networks in PyTorch, run module by module: load a file with
    ``backend="torch"`` to see where its weights part from another's. TensorFlow and LiteRT keep
    what is between their layers to themselves. What could not be compared is in the result's
    ``notes``.

    Args:
        videos: A video, anything one can be made from, or several of these.
        models: The reference, then one or more others, in a list or by name; of one kind, with the
            same preprocessing and labels.
        layers: Names in the networks' ``named_modules()``; None takes the blocks: the outermost
            modules that compute something. An empty list leaves layers out.
        fps: Frames a second to look at, as for :func:`~vidlab.predict`.
        num_frames: Frames of each video at most, from its start; None for all.
        progress: Show a progress bar.

    Returns:
        The differences.

    Raises:
        OptionError: There is no video, fewer than two models, models that cannot be compared, or
            no such layer.
        VideoError: Not one frame of a video could be read.
        ModelError: A model gives what is not a number.
    """
    named = _named(models)
    reference, *others = named
    _check_comparable(named)
    opened = _opened(videos)
    rate = rate_for(named[reference], fps)
    most = None if num_frames is None else count(num_frames, "num_frames")
    with ExitStack() as hooks:
        insides = _insides(named, layers, hooks)
        pairs = [_Pair(name, reference) for name in others]
        for pair in pairs:
            pair.say_of_layers(named, layers)
        for title, video in progress_bar(opened, desc="drift", unit="video", disable=not progress):
            runs = {name: _Run(model, insides.get(name)) for name, model in named.items()}
            for elapsed, time_seconds, pixels in _inputs(video, named.values(), rate, most):
                for run in runs.values():
                    run.go_on(elapsed, time_seconds, pixels)
                for pair in pairs:
                    pair.compare_inside(title, runs[reference], runs[pair.model])
            for pair in pairs:
                pair.compare_answers(title, runs[reference], runs[pair.model])
    return Drift(
        answers=pd.concat([table for pair in pairs for table in pair.answers], ignore_index=True),
        finals=pd.DataFrame([row for pair in pairs for row in pair.finals]),
        layers=pd.DataFrame(
            [r for pair in pairs for r in pair.layer_rows()], columns=_LAYER_COLUMNS
        ),
        states=pd.DataFrame([row for pair in pairs for row in pair.states], columns=_STATE_COLUMNS),
        notes=tuple(note for pair in pairs for note in pair.notes),
    )


class Drift:
    """How far models are from a reference on the same frames; :func:`vidlab.drift` makes it.

    Args:
        answers: See the attribute.
        finals: One row for each model and video: what :attr:`flips` shows, of all videos.
        layers: See the attribute.
        states: See the attribute.
        notes: See the attribute.

    Attributes:
        answers: One row for each answer of each model but the reference: ``model, against`` (the
            reference), ``video, elapsed_frames`` (sampled frames up to the answer) and
            ``time_seconds`` (of the last of them); ``max_logit_difference, rms_logit_difference``;
            ``relative_error`` and ``cosine`` of the logits; ``jsd_nats``, the Jensen-Shannon
            divergence of the probabilities; ``label_reference, label_other, agree``; ``margin``, by
            how much the reference prefers its first label to its second; ``gap``, by how much it
            does to the other's first, 0 where they agree.
        layers: One row for each layer of two networks in PyTorch, in the network's order: ``model,
            against, layer, relative_error, cosine``, over all frames.
        states: One row for each tensor of the stream state after each answer: ``model, against,
            video, elapsed_frames, state, relative_error``.
        notes: What was not compared, and why.
    """

    def __init__(
        self,
        *,
        answers: pd.DataFrame,
        finals: pd.DataFrame,
        layers: pd.DataFrame,
        states: pd.DataFrame,
        notes: Sequence[str] = (),
    ) -> None:
        self.answers = answers
        self.layers = layers
        self.states = states
        self.notes = tuple(notes)
        self._finals = finals

    @property
    def table(self) -> pd.DataFrame:
        """A row for each model but the reference.

        Columns ``model, against, num_videos, num_answers, max_logit_difference,
        mean_relative_error, mean_jsd_nats, max_jsd_nats``; ``agreement``, the share of the answers
        with the reference's top label; ``num_flips``, the videos whose final answer is another, and
        ``num_clear_flips``, those of them that were no near tie: to the reference, its own label
        was more probable than the other by over `vidlab.certificate.NEAR_TIE`.
        """
        pairs = ["model", "against"]
        told = self.answers.groupby(pairs, sort=False).agg(
            num_videos=("video", "nunique"),
            num_answers=("video", "size"),
            max_logit_difference=("max_logit_difference", "max"),
            mean_relative_error=("relative_error", "mean"),
            mean_jsd_nats=("jsd_nats", "mean"),
            max_jsd_nats=("jsd_nats", "max"),
            agreement=("agree", "mean"),
        )
        flips = self._finals["label_reference"] != self._finals["label_other"]
        counts = self._finals.assign(
            num_flips=flips, num_clear_flips=flips & (self._finals["gap"] > NEAR_TIE)
        )
        sums = counts.groupby(pairs, sort=False)[["num_flips", "num_clear_flips"]].sum()
        return told.join(sums).reset_index()

    @property
    def flips(self) -> pd.DataFrame:
        """The videos whose final answer is another than the reference's, clearest first.

        The final answer is a stream model's last one, of others the mean of all. Columns ``model,
        against, video, label_reference, probability_reference, label_other, probability_other``
        (each model's own of its own label), and ``margin`` and ``gap`` as in :attr:`answers`.
        """
        flips = self._finals[self._finals["label_reference"] != self._finals["label_other"]]
        return flips.sort_values("gap", ascending=False, kind="stable", ignore_index=True)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the logits' relative error by elapsed frame: the median of the videos, and the most.

        Args:
            ax: Where to draw; None makes a figure.

        Returns:
            Where it was drawn; what is below 1e-8, as 0 is, lies at the lower edge.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        from vidlab.plots.drift import draw_growth

        lines = {}
        for name, rows in self.answers.groupby("model", sort=False):
            by_frame = rows.groupby("elapsed_frames")["relative_error"]
            lines[str(name)] = by_frame.median(), by_frame.max()
        num_videos = self.answers["video"].nunique()
        of = f", median and most of {num_videos} videos" if num_videos > 1 else ""
        return draw_growth(ax, lines, title=f"Drift from {self._reference}{of}")

    def plot_layers(self, ax: Axes | None = None) -> Axes:
        """Draw each layer's relative error, from the first layer on top to the last.

        Args:
            ax: Where to draw; None makes a figure.

        Returns:
            Where it was drawn; what is below 1e-8, as 0 is, lies at the left edge.

        Raises:
            PredictionsError: No layers were compared.
            MissingDependencyError: matplotlib is not installed.
        """
        from vidlab.plots.drift import draw_layers

        if self.layers.empty:
            raise PredictionsError(
                "There are no layers to draw: they are compared between models of "
                "backend='torch', of which the reference must be one."
            )
        errors = {
            str(name): rows.set_index("layer")["relative_error"]
            for name, rows in self.layers.groupby("model", sort=False)
        }
        return draw_layers(ax, errors, title=f"Drift from {self._reference}, layer by layer")

    @property
    def _reference(self) -> str:
        return str(self.answers["against"].iloc[0])

    def __repr__(self) -> str:
        told = "; ".join(
            f"{row.model} {row.mean_relative_error:.2g} off, {row.agreement:.1%} the same label, "
            f"{row.num_flips} of {row.num_videos} videos flip"
            for row in self.table.itertuples()
        )
        return f"<Drift from {self._reference}: {told}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        text = html.escape(repr(self)[1:-1])
        tables = "".join(
            table.to_html(index=False, float_format="{:.3g}".format, max_rows=20)
            for table in (self.table, self.flips)
            if len(table)
        )
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return {
            "text/plain": repr(self),
            "text/html": f"<p>{text}</p>{tables}" + (f"<ul>{notes}</ul>" if notes else ""),
        }


# ---------------------------------------------------------------- what is compared


def _named(models: Sequence[LoadedModel] | Mapping[str, LoadedModel]) -> dict[str, Model]:
    if isinstance(models, LoadedModel):
        raise OptionError(f"Drift is between two models or more; got one, {models!r}.")
    checked = [
        check_model(each) for each in (models.values() if isinstance(models, Mapping) else models)
    ]
    if len(checked) < 2:
        raise OptionError(
            f"Drift is between a reference and one model or more; got {len(checked)} in all."
        )
    if isinstance(models, Mapping):
        names = [str(name) for name in models]
    else:
        names = shortest_names([(each.backend, each.name, each.title) for each in checked])
    return dict(zip(names, checked, strict=True))


def _check_comparable(models: Mapping[str, Model]) -> None:
    (first_name, first), *others = models.items()
    for name, model in others:
        if model.card.kind != first.card.kind:
            raise OptionError(
                f"{first_name} is a {first.card.kind} model, {name} a {model.card.kind} one: they "
                "do not answer after the same frames. Take models of one kind."
            )
        if list(model.labels) != list(first.labels):
            raise OptionError(
                f"{first_name} and {name} have different labels ({first.labels.name}, "
                f"{model.labels.name}), so their logits cannot be compared; vidlab.compare(labels=)"
                " compares what they say."
            )
        if model.preprocessing != first.preprocessing:
            raise OptionError(
                f"{first_name} and {name} prepare frames differently ({first.preprocessing}, "
                f"{model.preprocessing}), so their errors would be of the pictures too. Give one "
                "of them the other's: model.prepared_by(other.preprocessing)."
            )


def _opened(videos: Source | Sequence[Source]) -> list[tuple[str, Video]]:
    """Return each video with a name that no other has."""
    is_one = isinstance(videos, (str, bytes)) or not isinstance(videos, Sequence)
    given = cast("Sequence[Source]", [videos] if is_one else videos)
    if not given:
        raise OptionError("At least one video is needed; got none.")
    opened = [as_video(source) for source in given]
    return list(zip(shortest_names([(video.name,) for video in opened]), opened, strict=True))


def _inputs(
    video: Video, models: Iterable[Model], rate: float | None, num_frames: int | None
) -> Iterator[tuple[int, float, NDArray[np.float32]]]:
    """Yield the input of each answer: a frame, or a clip, as `vidlab.predict` cuts them.

    Yields:
        The number of frames up to its end, the last one's timestamp, and float32 ``[T, H, W, 3]``.
    """
    asked = list(models)
    card, prepare = asked[0].card, asked[0].preprocessing
    length = 1 if card.answers_every_frame else card.num_frames
    last: deque[NDArray[np.float32]] = deque(maxlen=length)
    elapsed, time_seconds = 0, 0.0
    for _, time_seconds, rgb in islice(sampled(video, rate=rate), num_frames):
        elapsed += 1
        last.append(prepare(rgb))
        if elapsed % length == 0:
            yield elapsed, time_seconds, np.stack(last)
    if elapsed % length:
        # A network that takes a fixed number of frames gets the last one again and again.
        is_fixed = any(isinstance(model, ArrayModel) for model in asked)
        missing = length - len(last) if is_fixed else 0
        yield elapsed, time_seconds, np.stack([*last, *[last[-1]] * missing])


class _Run:
    """A model on its way through one video.

    Attributes:
        model: Which one.
        elapsed_frames: Frames up to each answer.
        time_seconds: When each was given.
        state: After the last answer.
        layers: What came out of each layer for the last answer, flat, by name; None where that
            cannot be seen.
    """

    def __init__(self, model: Model, inside: _Inside | None) -> None:
        self.model = model
        self.elapsed_frames: list[int] = []
        self.time_seconds: list[float] = []
        self.state: State = _first_state(model)
        self.layers: dict[str, Array] | None = None
        self._logits: list[NDArray[np.float32]] = []
        self._inside = inside
        self._inside_state: State = _first_state(model)

    def go_on(self, elapsed: int, time_seconds: float, pixels: NDArray[np.float32]) -> None:
        """Answer to the next input, float32 ``[T, H, W, 3]``."""
        logits, self.state = _answer(self.model, pixels, self.state)
        self.elapsed_frames.append(elapsed)
        self.time_seconds.append(time_seconds)
        self._logits.append(logits)
        if self._inside is not None:
            self.layers, self._inside_state = self._inside.look(pixels, self._inside_state)

    @property
    def logits(self) -> NDArray[np.float32]:
        """Of all answers, ``[A, num_classes]``."""
        return np.concatenate(self._logits)


def _first_state(model: Model) -> State:
    return model.init_state() if model.card.answers_every_frame else None


def _answer(
    model: Model, pixels: NDArray[np.float32], state: State
) -> tuple[NDArray[np.float32], State]:
    if model.card.answers_every_frame:
        return go_on(model, pixels, state)
    return answer_pieces(model, pixels, [np.arange(len(pixels))]), state


@dataclass
class _Pair:
    """A model and the reference: what has been compared so far.

    Attributes:
        model: Name of the one.
        against: Name of the reference.
        answers: A table for each video.
        finals: A row for each video.
        states: A row for each state tensor after each answer.
        sums: For each layer, what :func:`_products` gives, added up.
        notes: What was not compared.
    """

    model: str
    against: str
    answers: list[pd.DataFrame] = field(default_factory=list)
    finals: list[dict[str, Any]] = field(default_factory=list)
    states: list[tuple[Any, ...]] = field(default_factory=list)
    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def compare_inside(self, video: str, reference: _Run, other: _Run) -> None:
        """Compare states and layers after an answer of both."""
        if reference.model.card.kind == "stream":
            self._compare_states(video, reference, other)
        if reference.layers is None or other.layers is None:
            return
        for layer, values in reference.layers.items():
            got = other.layers.get(layer)
            if got is None or got.size != values.size:
                self._note(f"layer {layer} is left out: not in both networks, or not of one shape")
                continue
            self.sums[layer] = self.sums.get(layer, 0.0) + _products(values, got)

    def _compare_states(self, video: str, reference: _Run, other: _Run) -> None:
        both = [_state_tensors(run.state) for run in (reference, other)]
        for name, found in zip((self.against, self.model), both, strict=True):
            if found is None:
                self._note(f"stream states are not compared, as {name} gives its own no names")
        expected, got = both
        if expected is None or got is None:
            return
        shared = [
            name for name in expected if name in got and got[name].shape == expected[name].shape
        ]
        if left := sorted((expected.keys() | got.keys()) - set(shared)):
            names = ", ".join(left[:_MOST_NAMED]) + (", …" if len(left) > _MOST_NAMED else "")
            self._note(
                f"{len(left)} stream states are left out, not in both or not of one shape: {names}"
            )
        elapsed = other.elapsed_frames[-1]
        self.states += [
            (self.model, self.against, video, elapsed, name,
             float(_relative_error(_products(expected[name], got[name]))))
            for name in shared
        ]  # fmt: skip

    def compare_answers(self, video: str, reference: _Run, other: _Run) -> None:
        """Compare all answers to a video."""
        expected, got = reference.logits, other.logits
        labels = reference.model.labels
        about = {"model": self.model, "against": self.against, "video": video}
        difference = np.abs(got.astype(np.float64) - expected)
        products = np.stack([_products(*rows) for rows in zip(expected, got, strict=True)])
        one, two = softmax(expected), softmax(got)
        first, second = one.argmax(axis=1), two.argmax(axis=1)
        margin, gap = _preferences(one, second)
        table = pd.DataFrame(
            {
                "elapsed_frames": other.elapsed_frames,
                "time_seconds": other.time_seconds,
                "max_logit_difference": difference.max(axis=1),
                "rms_logit_difference": np.sqrt((difference**2).mean(axis=1)),
                "relative_error": _relative_error(products),
                "cosine": _cosine(products),
                "jsd_nats": jensen_shannon([one, two]),
                "label_reference": [labels[i] for i in first],
                "label_other": [labels[i] for i in second],
                "agree": first == second,
                "margin": margin,
                "gap": gap,
            }
        )
        for place, (name, value) in enumerate(about.items()):
            table.insert(place, name, value)
        self.answers.append(table)
        one, two = (
            verdict(run.model, run.logits).probabilities[None] for run in (reference, other)
        )
        margin, gap = _preferences(one, two.argmax(axis=1))
        self.finals.append(
            {
                **about,
                "label_reference": labels[int(one.argmax())],
                "probability_reference": float(one.max()),
                "label_other": labels[int(two.argmax())],
                "probability_other": float(two.max()),
                "margin": float(margin[0]),
                "gap": float(gap[0]),
            }
        )

    def say_of_layers(self, models: Mapping[str, Model], layers: Sequence[str] | None) -> None:
        """Note that layers are not compared, where they were asked for."""
        closed = [
            name for name in (self.against, self.model) if not isinstance(models[name], _IN_TORCH)
        ]
        if closed and (layers is None or layers):
            self._note(
                "layers are not compared, as "
                f"{' and '.join(models[name].title for name in closed)} "
                f"show{'s' if len(closed) == 1 else ''} none; with backend='torch' a network does"
            )

    def layer_rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield a row for each layer, in the network's order."""
        for layer, sums in self.sums.items():
            yield (
                self.model,
                self.against,
                layer,
                float(_relative_error(sums)),
                float(_cosine(sums)),
            )

    def _note(self, what: str) -> None:
        note = f"{self.model} against {self.against}: {what}."
        if note not in self.notes:
            self.notes.append(note)


# ---------------------------------------------------------------- numbers


def _products(reference: Array, other: Array) -> NDArray[np.float64]:
    """Return the squares of difference, reference and other, and the product of the last two.

    In float64 and added up, they tell relative error and cosine of any number of arrays.
    """
    r, o = (np.asarray(each, dtype=np.float64).ravel() for each in (reference, other))
    d = o - r
    return np.array([d @ d, r @ r, o @ o, r @ o])


def _relative_error(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the norm of the difference over that of the reference, for products ``[..., 4]``."""
    difference, reference = products[..., 0], products[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Nothing against nothing is no error; something against nothing is without bounds.
        return np.where(difference == 0.0, 0.0, np.sqrt(difference / reference))


def _cosine(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine of the angle between reference and other, for products ``[..., 4]``."""
    difference, reference, other, product = np.moveaxis(products, -1, 0)
    norms = np.sqrt(reference) * np.sqrt(other)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.clip(np.where(norms > 0.0, product / norms, 0.0), -1.0, 1.0)
    return np.where(difference == 0.0, 1.0, inside)


def _preferences(
    probabilities: NDArray[np.float32], others: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return by how much a model prefers its first label to its second, and to given ones.

    Args:
        probabilities: float32 ``[A, num_classes]``.
        others: Class ids ``[A]``.
    """
    best = np.sort(probabilities, axis=1)[:, -2:]
    rows = np.arange(len(probabilities))
    return best[:, -1] - best[:, 0], best[:, -1] - probabilities[rows, others]


# ---------------------------------------------------------------- states

_PAST_FRAME = re.compile(r"(.+)_past_(\d+)")


def _state_tensors(state: State) -> dict[str, Array] | None:
    """Return a stream state's tensors by the official names, None where it has none.

    The official ``state_<layer>_stream_buffer`` ``[B, n, H, W, C]`` holds the frames before from
    the earliest to the latest, where vidlab's networks have one tensor for each of them, counted
    backwards (`vidlab.models.movinet.network.State`); sums are called ``_pool_buffer``, and whole
    ones are in the units of the 8-bit files that vidlab exports. Counts of frames are left out: no
    runtime rounds them.
    """
    if not isinstance(state, Mapping):
        return None
    found: dict[str, Array] = {}
    past: defaultdict[str, dict[int, Array]] = defaultdict(dict)
    for name, value in state.items():
        array = np.asarray(value)
        if array.dtype.kind != "f":
            continue
        if match := _PAST_FRAME.fullmatch(name):
            past[match[1]][int(match[2])] = array
            # Its place in the order is that of the first.
            name, array = f"{match[1]}_stream_buffer", np.empty(0)
        found[name.removeprefix("state_").replace("_pool_sum", "_pool_buffer")] = array
    for layer, frames in past.items():
        found[f"{layer}_stream_buffer"] = np.stack(
            [frames[number] for number in sorted(frames, reverse=True)], axis=1
        )
    for name, array in found.items():
        if name.endswith("_pool_buffer") and np.array_equal(array, np.rint(array)):
            found[name] = array * SUM_UNIT
    return {name: array.squeeze() for name, array in found.items()}


# ---------------------------------------------------------------- layers


_IN_TORCH = (TorchModel, TorchFrameModel, TorchArrayModel)


def _insides(
    models: Mapping[str, Model], layers: Sequence[str] | None, hooks: ExitStack
) -> dict[str, _Inside]:
    """Return a look inside each network in PyTorch; none where there are no two to compare.

    Raises:
        OptionError: Layers are named, and the reference has no such ones.
    """
    reference = next(iter(models))
    networks = {name: each for name, each in models.items() if isinstance(each, _IN_TORCH)}
    if reference not in networks or len(networks) < 2:
        if layers:
            raise OptionError(
                "layers= is for networks in PyTorch, two at least and the first among them; got "
                f"{', '.join(each.title for each in models.values())}. Load them with "
                "backend='torch'."
            )
        return {}
    network = networks[reference].network
    names = _blocks(network) if layers is None else list(layers)
    known = [name for name, _ in network.named_modules() if name]
    for name in names:
        if name not in known:
            raise OptionError(
                f"{reference} has no layer {name!r}; its network.named_modules() tells them."
                + did_you_mean(name, known)
            )
    return {name: _Inside(each, names, hooks) for name, each in networks.items()} if names else {}


def _blocks(network: Any, prefix: str = "") -> list[str]:
    """Return the outermost modules that compute something, in order; mere containers are opened."""
    nothing = require("torch", why="the layers of a network").nn.Module.forward
    names: list[str] = []
    for name, module in network.named_children():
        is_container = type(module).forward is nothing
        names += _blocks(module, f"{prefix}{name}.") if is_container else [f"{prefix}{name}"]
    return names


class _Inside:
    """A network in PyTorch, run module by module, and what comes out of its layers.

    Args:
        model: The model.
        names: Of the layers; those that the network lacks are passed over.
        hooks: Takes them off the network in the end.
    """

    def __init__(self, model: TorchModel | TorchFrameModel | TorchArrayModel,
                 names: Sequence[str], hooks: ExitStack) -> None:  # fmt: skip
        self._model = model
        self._found: dict[str, list[Array]] = {}
        modules = dict(model.network.named_modules())
        for name in names:
            if name in modules:
                hooks.callback(modules[name].register_forward_hook(self._keeper(name)).remove)

    def _keeper(self, name: str) -> Any:
        def keep(module: Any, inputs: Any, output: Any) -> None:
            value = output[0] if isinstance(output, tuple) else output
            # A copy: what follows may write into it.
            self._found.setdefault(name, []).append(value.double().cpu().numpy().ravel())

        return keep

    def look(self, pixels: NDArray[np.float32], state: State) -> tuple[dict[str, Array], State]:
        """Run the next frames ``[T, H, W, 3]``; return each layer's output, flat, and the state."""
        self._found = {}
        if isinstance(self._model, TorchModel):
            # It answers by another form of its network, in which batch norm is folded away.
            state = _run_plainly(self._model, pixels, state)
        else:
            _, state = _answer(self._model, pixels, state)
        return {name: np.concatenate(parts) for name, parts in self._found.items()}, state


def _run_plainly(model: TorchModel, pixels: NDArray[np.float32], state: State) -> State:
    torch = require("torch", why="the layers of a network")
    clip = torch.from_numpy(pixels[None]).permute(0, 1, 4, 2, 3)
    with torch.inference_mode():
        if model.card.kind == "stream":
            _, state = model.network.step(clip, state)
        else:
            model.network(clip)
    return state
