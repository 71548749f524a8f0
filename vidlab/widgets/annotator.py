"""The annotator: a player with which to say what is to be seen, and when."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from vidlab.core.errors import DatasetError, OptionError, VidlabError
from vidlab.core.label_names import translated
from vidlab.core.labels import LabelMap
from vidlab.core.palette import PALETTE
from vidlab.video import Video
from vidlab.widgets.payload import describe_label
from vidlab.widgets.player import Player
from vidlab.widgets.segments import COLUMNS, Segment, SegmentFile, check_segment

if TYPE_CHECKING:
    import pandas as pd

# The keys of the first labels.
_KEYS = "1234567890"


class Annotator(Player):
    """Marks segments of a video with the keyboard; each change is saved to a CSV file.

    The number of a label starts a segment at the frame on screen; the same number, or Enter, ends
    it with the frame on screen; another number ends it before that frame and starts the next one.
    With a selection (``[`` and ``]``), a number labels the selection. ``e`` moves the nearest edge
    to the frame on screen, Delete removes the segment on screen, Ctrl+Z takes back, Esc gives up
    the one begun; ``?`` lists all keys. Buttons, a list and edges to be dragged do the same.

    Segments may overlap. One marked over another of the same label joins it.

    The file is what `vidlab.fit` reads: ``video,start_seconds,end_seconds,label``, the video's
    path from the file's folder, seconds on the video's own clock, half-open. It is replaced whole
    or not at all, and what it says of other videos stays. An annotator of a file that is there
    goes on with its segments of this video.

    Args:
        video: A `Video` of a file, or its path.
        labels: What segments can be labelled with; the first ten get a key. Further labels in the
            file are added.
        out: The CSV file.
        predictions: What models said, to be shown as in `Player`.
        label_language: Language that labels are shown in, such as ``"ko"``, which is `labels` of
            `Player`; None shows them as they are. Files and tables keep the label map's words.
        options: As for `Player`.

    Attributes:
        out: The CSV file's path.
        labels: Every label that can be given.
        segments: A DataFrame ``video, start_seconds, end_seconds, label``, by time. It can be
            observed, and set: to such a table (without `video`, or with this one only), or to a
            list of ``(start_seconds, end_seconds, label)``.

    Raises:
        DatasetError: The file is there and is no table of segments; it is left as it is.
        LabelMapError: There are no labels, or one is empty or given twice.
        OptionError: An option is unknown or out of range, the file cannot be written, or the video
            is not a file.
        VideoError: The video cannot be opened.

    Examples:
        >>> annotator = Annotator("clip.mp4", ["waving", "clapping"])  # doctest: +SKIP
        >>> annotator.segments                                         # doctest: +SKIP
        >>> vidlab.fit("movinet-a0-stream", annotator.out)             # doctest: +SKIP
    """

    _options = (
        "labels", "out", "predictions", "label_language",
        *(each for each in Player._options if each != "labels"),
    )  # fmt: skip

    _annotation = traitlets.Dict(help="Segments, labels, and whether they are saved.").tag(
        sync=True
    )
    _begun = traitlets.Any(None, help="The page's own: label and frame of one not ended.").tag(
        sync=True
    )

    def __init__(
        self,
        video: Any,
        labels: Sequence[str],
        *,
        out: str | os.PathLike[str] = "segments.csv",
        predictions: Any = None,
        label_language: str | None = None,
        **options: Any,
    ) -> None:
        if isinstance(labels, str) or not isinstance(labels, Iterable):
            raise OptionError(
                f"labels is a list of names, such as ['waving']; got {labels!r:.80}. The language "
                "that they are shown in is label_language."
            )
        video = video if isinstance(video, Video) else Video(video)
        given = LabelMap([each.strip() if isinstance(each, str) else each for each in labels])
        self._file = SegmentFile(out, video)
        self._marked: list[Segment] = self._file.read()
        self._marked_in = self._file.path.name
        self._labels: tuple[str, ...] = tuple(given)
        self._added: tuple[str, ...] = ()
        self._learn(self._file.labels)
        super().__init__(video, predictions, labels=label_language, **options)
        self._tell()

    @property
    def out(self) -> Path:
        """The CSV file's path."""
        return self._file.path

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that can be given: the given ones, then others of the file or table."""
        return self._labels

    @property
    def segments(self) -> pd.DataFrame:
        """The segments by time: ``video, start_seconds, end_seconds, label``; a copy.

        Setting it saves them.

        Raises:
            DatasetError: A segment is none, is another video's, or lies outside this one; nothing
                is changed then. Or the file was damaged by somebody else; it is left as it is.
            OptionError: The file cannot be written. The annotator has the segments then, and tries
                again at the next change.
        """
        import pandas as pd

        rows = [(str(self._file.source), *each) for each in self._marked]
        kinds = {"video": "str", "start_seconds": "float64", "end_seconds": "float64"}
        return pd.DataFrame(rows, columns=COLUMNS).astype({**kinds, "label": "str"})

    @segments.setter
    def segments(self, given: Any) -> None:
        segments = self._read(given)
        self._learn(label for _, _, label in segments)
        self._change(segments)

    def on_change(self, call: Callable[[pd.DataFrame], Any]) -> Callable[[], None]:
        """Call a function with `segments` each time they change.

        Args:
            call: Takes the DataFrame; called in the kernel's main thread.

        Returns:
            A function that stops it.

        Raises:
            OptionError: `call` cannot be called.
        """
        if not callable(call):
            raise OptionError(f"on_change takes a function of the segments; got {call!r:.80}.")

        def hear(change: Any) -> None:
            call(change["new"])

        def stop() -> None:
            with contextlib.suppress(ValueError):  # stopped before
                self.unobserve(hear, "segments")

        self.observe(hear, "segments")
        return stop

    # ---- changes -----------------------------------------------------------------------------

    def _read(self, given: Any) -> list[Segment]:
        """Understand a table, or rows, of segments."""
        import pandas as pd

        rows = given
        if isinstance(given, pd.DataFrame):
            missing = [column for column in COLUMNS[1:] if column not in given]
            if missing:
                raise DatasetError(
                    f"A table of segments has the columns {', '.join(COLUMNS)}; {missing[0]} is "
                    "missing."
                )
            for name in given["video"].unique() if "video" in given else ():
                folders = Path(), self.out.parent
                if not any(self._file.is_of_video(str(name), folder) for folder in folders):
                    raise DatasetError(
                        f"This annotator is of {self.video.name}; the table has segments of "
                        f"{str(name)!r}."
                    )
            rows = given[list(COLUMNS[1:])].itertuples(index=False, name=None)
        return self._check(rows)

    def _check(self, rows: Any) -> list[Segment]:
        segments = []
        try:
            for number, (start, end, label) in enumerate(rows):
                where = f"Segment {number}"
                segments.append(check_segment(start, end, label, video=self.video, where=where))
        except (TypeError, ValueError) as error:
            if isinstance(error, VidlabError):
                raise
            raise DatasetError(
                "Segments are a table, or a list, of (start_seconds, end_seconds, label); got "
                f"{rows!r:.80}."
            ) from None
        return sorted(segments)

    def _learn(self, labels: Iterable[str]) -> None:
        """Let labels be given that were not."""
        new = dict.fromkeys(each for each in labels if each and each not in self._labels)
        self._added += tuple(new)
        self._labels += tuple(new)

    def _change(self, segments: list[Segment]) -> None:
        """Take segments over, save them, and tell everybody; what cannot be saved is kept."""
        old, self._marked = self.segments, segments
        error = ""
        try:
            self._marked = self._file.write(segments)
            self._learn(label for _, _, label in self._marked)
        except VidlabError as problem:
            error = str(problem)
            raise
        finally:
            self._tell(error)
            self.notify_change(
                traitlets.Bunch(
                    name="segments", old=old, new=self.segments, owner=self, type="change"
                )
            )

    def _tell(self, error: str = "") -> None:
        """Let the page know what there is, and whether it is saved."""
        PALETTE.assign(self._labels)
        self._annotation = {
            "revision": self._annotation.get("revision", -1) + 1,
            "segments": [list(each) for each in self._marked],
            "labels": [
                # Its key stands for it; another letter would look like one.
                describe_label(name, rank, language=self._language)
                | {"value": name, "letter": _KEYS[rank : rank + 1]}
                for rank, name in enumerate(self._labels)
            ],
            "added": [translated(each, self._language) for each in self._added],
            "file": self._marked_in,
            "path": str(self.out),
            "error": error,
        }

    def _answer(self, request: str, content: Mapping[str, Any]) -> None:
        if content.get("op") != "annotate":
            super()._answer(request, content)
            return
        refused = ""
        try:
            segments = self._check(content.get("segments"))
            for _, _, label in segments:
                if label not in self._labels:
                    raise DatasetError(f"There is no label {label!r:.80} to give.")
            self._change(segments)
        except VidlabError as error:
            refused = str(error)
        # The page may hear of other traits later than of this.
        result = {"kept": self._annotation, "refused": refused}
        self._reply({"id": request, "result": result}, [])

    # ---- shown in a notebook -----------------------------------------------------------------

    def __repr__(self) -> str:
        count = len(self._marked)
        segments = "1 segment" if count == 1 else f"{count} segments"
        return f"<Annotator of {self.video.name}, {segments} in {self._marked_in}>"
