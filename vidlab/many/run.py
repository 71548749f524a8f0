"""A run over many videos, opened: what became of each, and all answers as one table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from vidlab.comparison import Comparison
from vidlab.core.errors import OptionError, PredictionsError, did_you_mean
from vidlab.core.files import as_path
from vidlab.core.listing import Listing
from vidlab.many.listing import Listed, read_list
from vidlab.many.manifest import read_manifest
from vidlab.many.overview import overview
from vidlab.many.store import Fingerprint, Store
from vidlab.predictions import TABLE_COLUMNS, Predictions
from vidlab.video import Video

if TYPE_CHECKING:
    import pyarrow.dataset as pads

#: What :attr:`Run.videos` may say of a video.
STATES = ("done", "failed", "changed", "missing", "waiting")


def open_run(folder: str | os.PathLike[str]) -> Run:
    """Open what :func:`~vidlab.predict_many` wrote.

    Args:
        folder: Its ``out``.

    Raises:
        PredictionsError: There is no run there, or its manifest is damaged.
    """
    return Run(folder)


class Run:
    """What :func:`~vidlab.predict_many` did, read from its folder when asked for.

    Its tables are of the moment when they are first asked for; :func:`~vidlab.open_run` looks
    anew.

    Args:
        folder: Where it is.
        stopped: Why it ended before all videos were done, or None.

    Attributes:
        folder: Where it is.
        manifest: What it was made with: options, models, versions and machine.
        models: The models' names, in order.
        stopped: Why it ended before all videos were done, or None.

    Raises:
        PredictionsError: There is no run there, or its manifest is damaged.
    """

    def __init__(self, folder: str | os.PathLike[str], *, stopped: str | None = None) -> None:
        self.folder: Path = as_path(folder)
        self.stopped = stopped
        self._store = Store(self.folder)
        manifest = read_manifest(self._store)
        if manifest is None:
            raise PredictionsError(
                f"There is no run in {str(self.folder)!r}: it holds no manifest.json. Give the "
                "folder that vidlab.predict_many wrote into (its out=)."
            )
        self.manifest: dict[str, Any] = manifest
        self.models: tuple[str, ...] = tuple(manifest["models"])

    # ---- tables --------------------------------------------------------------------------------

    @property
    def videos(self) -> pd.DataFrame:
        """What became of each video, one row each.

        Columns ``video, state, num_answers`` (of all models), ``seconds`` (that it took),
        ``stopped`` (why it was not read to its end), ``path``, and those of the given table. The
        state is ``"done"``; ``"failed"`` (see :attr:`failures`); ``"waiting"`` where nobody has
        tried yet; ``"changed"`` or ``"missing"`` where there are answers, but the file is another
        by now, or gone.
        """
        rows = []
        for each, headers in self._looked_at:
            known = [header["run"] for header in headers or []]
            rows.append(
                {
                    "video": each.video,
                    "state": self._state(each, headers),
                    "num_answers": sum(about["num_answers"] for about in known),
                    "seconds": known[0]["seconds"] if known else float("nan"),
                    "stopped": headers[0]["stopped"] if headers else None,
                    **each.columns,
                }
            )
        columns = None if rows else ["video", "state", "num_answers", "seconds", "stopped"]
        table = pd.DataFrame(rows, columns=columns)
        table.insert(5, "path", _paths([each for each, _ in self._looked_at]))
        return table

    @property
    def failures(self) -> pd.DataFrame:
        """Why videos have no answers: columns ``video, reason, error, attempts``."""
        records = [
            self._store.failure(each.video) for each, headers in self._looked_at if headers is None
        ]
        columns = ["video", "reason", "error", "attempts"]
        return Listing([each for each in records if each is not None], columns=columns)

    @property
    def clips(self) -> pd.DataFrame:
        """Every video that has answers, with what each model says of it as a whole.

        Columns ``video`` (its file), ``name``, those of the given table, and for each model
        ``predicted_<model>`` and ``probability_<model>``: a stream's last answer, or else the mean
        over all. It is what :class:`~vidlab.Gallery` shows of a run.
        """
        answered = [(each, headers) for each, headers in self._looked_at if headers is not None]
        rows = []
        for each, headers in answered:
            row = {"name": each.video, **each.columns}
            for model, header in zip(self.models, headers, strict=True):
                row[f"predicted_{model}"] = header["run"].get("predicted")
                row[f"probability_{model}"] = header["run"].get("probability")
            rows.append(row)
        table = pd.DataFrame(rows, columns=None if rows else ["name"])
        table.insert(0, "video", _paths([each for each, _ in answered]))
        return table

    def dataset(self) -> pads.Dataset:
        """Return all answers as one dataset of pyarrow, of which nothing is read yet.

        Raises:
            PredictionsError: There are no answers, or they are damaged.
        """
        import pyarrow as pa
        import pyarrow.dataset as pads
        import pyarrow.parquet as pq

        first = next(self._store.answers.glob("model=*/*.parquet"), None)
        if first is None:
            raise PredictionsError(f"{self!r} has no answers to make a table of.")
        by_folder = pa.schema([("model", pa.string())])
        with _reading(self._store.answers):
            of_files = pq.read_schema(first).remove_metadata()
            return pads.dataset(
                self._store.answers,
                format="parquet",
                schema=pa.unify_schemas([of_files, by_folder]),
                partitioning=pads.partitioning(by_folder, flavor="hive"),
            )

    def table(
        self, columns: Sequence[str] | None = None, *, model: str | None = None
    ) -> pd.DataFrame:
        """Return all answers as one tidy table.

        Args:
            columns: Columns to read; None takes those of :attr:`Predictions.table`.
            model: A model's name; None takes all.

        Raises:
            PredictionsError: There are no answers, or they are damaged.
            OptionError: There is no such model or column.
        """
        import pyarrow.compute as pc

        dataset = self.dataset()
        wanted = list(TABLE_COLUMNS) if columns is None else list(columns)
        for name in wanted:
            if name not in dataset.schema.names:
                raise OptionError(
                    f"The table has the columns {', '.join(dataset.schema.names)}; got {name!r}."
                    f"{did_you_mean(str(name), dataset.schema.names)}"
                )
        chosen = None if model is None else pc.field("model") == self._model(model)
        with _reading(self._store.answers):
            found: pd.DataFrame = dataset.to_table(columns=wanted, filter=chosen).to_pandas()
        return found

    # ---- one video -----------------------------------------------------------------------------

    def predictions(self, video: str, model: str | None = None) -> Predictions:
        """Read a model's answers to one video.

        Args:
            video: Its name, as :attr:`videos` has it.
            model: The model's name; may be left out where there is one.

        Raises:
            OptionError: There is no such video or model.
            PredictionsError: It has no answers; the message says why.
        """
        each = self._listed(video)
        path = self._store.answers_file(each.video, self._model(model))
        if not path.is_file():
            failure = self._store.failure(each.video)
            why = "nobody has tried yet" if failure is None else failure["reason"]
            raise PredictionsError(f"{each.video!r} has no answers: {why}")
        return Predictions.load(path)

    def comparison(self, video: str) -> Comparison:
        """Put the models' answers to one video side by side.

        Raises:
            OptionError: There is no such video, or the run has one model only.
            PredictionsError: It has no answers, or the models' labels differ.
        """
        found = [self.predictions(video, model) for model in self.models]
        path = self._listed(video).path
        shown = Video(path, name=video) if Path(path).is_file() else None
        return Comparison(found, video=shown, names=self.models)

    # ---- looking -------------------------------------------------------------------------------

    @cached_property
    def _list(self) -> dict[str, Listed]:
        return {each.video: each for each in read_list(self._store)}

    @cached_property
    def _looked_at(self) -> list[tuple[Listed, list[dict[str, Any]] | None]]:
        """Each video, and its answers' headers, one a model; None where they are not all there."""
        return [(each, headers_of(self._store, each, self.models)) for each in self._list.values()]

    @property
    def _counts(self) -> dict[str, int]:
        """How many videos are in each state that there is, in the order of `STATES`."""
        states = [self._state(*each) for each in self._looked_at]
        return {each: states.count(each) for each in STATES if each in states}

    def _state(self, each: Listed, headers: list[dict[str, Any]] | None) -> str:
        if headers is None:
            return "waiting" if self._store.failure(each.video) is None else "failed"
        if not os.path.lexists(each.path):
            return "missing"
        return "done" if is_done(each, headers) else "changed"

    def _listed(self, video: str) -> Listed:
        if video not in self._list:
            raise OptionError(
                f"No video of this run is called {video!r}; Run.videos lists them."
                f"{did_you_mean(str(video), self._list)}"
            )
        return self._list[video]

    def _model(self, model: str | None) -> str:
        if model is None and len(self.models) == 1:
            return self.models[0]
        if model not in self.models:
            raise OptionError(
                f"model must be one of {', '.join(map(repr, self.models))}; got {model!r}."
                f"{did_you_mean(str(model), self.models)}"
            )
        return model

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self._list)

    def __repr__(self) -> str:
        told = ", ".join(f"{count} {state}" for state, count in self._counts.items())
        models = f"{len(self.models)} model{'s' if len(self.models) > 1 else ''}"
        videos = f"{len(self)} video{'' if len(self) == 1 else 's'}"
        stopped = "" if self.stopped is None else f"; {self.stopped}"
        return f"<Run of {models} on {videos}: {told or 'nothing yet'}{stopped}>"

    def _repr_html_(self) -> str:
        return overview(
            models=self.models,
            folder=str(self.folder),
            states=self._counts,
            failures=self.failures,
            stopped=self.stopped,
        )


@contextmanager
def _reading(answers: Path) -> Iterator[None]:
    """Say of what pyarrow cannot read where it is; which of the files, its own words may say.

    Raises:
        PredictionsError: With those words.
    """
    import pyarrow as pa

    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        raise PredictionsError(
            f"Answers in {str(answers)!r} are damaged: {error}. Run.videos says whose they are; "
            "delete those files, and give the same command again."
        ) from error


def _paths(listed: Sequence[Listed]) -> pd.Series[Any]:
    # As objects: pandas' own text cannot hold names of files that are not Unicode.
    return pd.Series([each.path for each in listed], dtype=object)


def headers_of(store: Store, listed: Listed, models: Sequence[str]) -> list[dict[str, Any]] | None:
    """Return what is known of each model's answers to a video, or None where one has none.

    Answers of different models to different contents of the file are no answers: a run was ended
    between the two.
    """
    headers: list[dict[str, Any]] = []
    for model in models:
        header = store.header(listed.video, model)
        if header is None or (headers and header["run"]["file"] != headers[0]["run"]["file"]):
            return None
        headers.append(header)
    return headers


def is_done(listed: Listed, headers: Sequence[dict[str, Any]]) -> bool:
    """Tell whether answers are to the file as it is now."""
    return Fingerprint(**headers[0]["run"]["file"]).is_of(listed.path)
