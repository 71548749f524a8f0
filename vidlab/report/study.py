"""A study as one HTML file: several models on the same labelled clips."""

from __future__ import annotations

import io
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vidlab.core.dependencies import require
from vidlab.core.errors import OptionError, VideoError
from vidlab.core.images import data_url, jpeg
from vidlab.core.label_names import check_language, translated
from vidlab.core.times import clock
from vidlab.evaluation import Study
from vidlab.feeding import versions_and_machine
from vidlab.report.page import assemble, html_table, write_page
from vidlab.video import Video
from vidlab.widgets import Player
from vidlab.widgets.base import script
from vidlab.widgets.on_the_way import answers_on_the_way
from vidlab.widgets.page import kept_player

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_PLAYERS = 6
_MAX_PICTURES = 60
_MAX_ROWS = 1000
# Rows of the clips' table before somebody asks for more.
_NUM_FIRST = 20
_PICTURE_HEIGHT_PX = 144

# Beyond so many labels a matrix has those of the commonest errors, as in a gallery.
_MAX_LABELS = 30

# A cell's shade, in percent: numbers on the darkest are still easy to read.
_FAINTEST, _DARKEST = 10.0, 55.0

# Room for the sentences on what is left out, and for the tags around a player.
_NOTE_BYTES = 400
_TAG_BYTES = 200

_NO_CHART = "<p>The chart is left out, as are pictures and videos: the file would be too large.</p>"

# A frame this little before a clip's start is in it: tables round to microseconds.
_SLACK_SECONDS = 1e-6


def write_study_report(
    study: Study,
    path: str | os.PathLike[str],
    *,
    max_mb: float = 20.0,
    labels: str | None = None,
) -> Path:
    """Write a self-contained HTML report of a study, atomically.

    It holds players of the clips on which the models part furthest, and a confusion matrix of each
    model, whose cells lead to their clips.

    Args:
        study: What to report.
        path: The ``.html`` file to write.
        max_mb: What the file may have, in megabytes; videos, then pictures of clips, then charts
            are left out where it is little.
        labels: Language to write labels in, such as ``"ko"``; None leaves them as they are.

    Returns:
        The path.

    Raises:
        OptionError: The file cannot be written, `max_mb` is too little for the tables alone, or
            there are no names in that language.
        MissingDependencyError: matplotlib, which draws the charts, is not installed.
    """
    language = check_language(labels)
    return write_page(path, partial(render, study, language=language), max_mb=max_mb)


def render(study: Study, *, max_mb: float = 20.0, language: str = "en") -> str:
    """Return the report as HTML text.

    Raises:
        OptionError: Not even the tables fit.
    """
    report = _Report(study, language)
    report.has_charts = report.num_bytes <= max_mb * 1e6
    if report.num_bytes > max_mb * 1e6:
        least = math.ceil(report.num_bytes / 1e5) / 10
        raise OptionError(
            f"The tables of {len(study)} clips do not fit into {max_mb:g} MB, even without charts, "
            f"pictures and videos; give max_mb={least:g} or more."
        )
    if report.has_charts:
        report.add_pictures(max_mb)
        report.add_players(max_mb)
    return report.html()


@dataclass(frozen=True)
class _Played:
    """A clip in a player.

    Attributes:
        row: Its number in the table of clips.
        told: What to say of it, HTML.
        kept: The player, as `kept_player` returned it.
    """

    row: int
    told: str
    kept: str


class _Report:
    """A report in the making: its tables and charts, then as much else as there is room for.

    Args:
        study: What to report.
        language: To write labels in.
    """

    def __init__(self, study: Study, language: str) -> None:
        self.study = study
        self.language = language
        self.has_charts = True
        clips = _ranked(study)
        self._rows: list[dict[Any, Any]] = clips.head(_MAX_ROWS).to_dict("records")
        self._pictures: list[str] = []
        self._players: list[_Played] = []
        self._notes: list[str] = []
        self._figures = _figures(study)
        self._differences = _differences(study) if len(study.names) > 1 else ""
        self._confusions = "".join(
            _confusion(study, number, clips, len(self._rows), language)
            for number in range(len(study.names))
        )
        is_told = all(each.answers is not None for each in study.evaluations.values())
        self._charts = [
            _chart(study.plot, "Top-1 accuracy against computing time per frame"),
            _chart(study.plot_reliability, "Reliability of each model"),
            _chart(study.plot_over_time, "Accuracy by second") if is_told else "",
        ]
        self._made_by = _made_by(study)

    @property
    def num_bytes(self) -> int:
        """How large the file is by now."""
        return len(self.html().encode())

    def html(self) -> str:
        """Return the file's text."""
        num_models = len(self.study.names)
        several = num_models > 1
        costs, sureness, seconds = (
            chart if self.has_charts or not chart else _NO_CHART for chart in self._charts
        )
        parts = [
            f"<h1>{num_models} model{'s' if several else ''} on {len(self.study)} clips</h1>",
            "<p>Intervals are of 95 %, from drawing whole videos anew: clips of one video resemble "
            "each other. Times are computing times on this machine, in this run.</p>",
            self._figures,
            "<h2>Accuracy and time</h2>",
            costs,
            "<h2>Does a difference mean anything?</h2>" if several else "",
            self._differences,
            "<h2>How sure, and how often right</h2>",
            sureness,
            "<h2>Over time</h2>" if seconds else "",
            seconds,
            f"<h2>{'Where they part' if several else 'Where it is wrong'}</h2>",
            self._played(),
            "<h2>What is taken for what</h2>",
            "<p>True labels down, predicted ones across; the larger the share of the row, the "
            "darker. A click on a number shows its clips.</p>",
            self._confusions,
            "<h2>Clips</h2>",
            self._clips(),
            "<h2>What was run</h2>",
            self._made_by,
            f'<script type="module">{script("report.js")}</script>',
        ]
        return assemble(parts, [each.kept for each in self._players], title="Study")

    # ---- what comes in where there is room -------------------------------------------------------

    def add_pictures(self, max_mb: float) -> None:
        """Add pictures of the first clips, as many as fit."""
        left = int(max_mb * 1e6) - self.num_bytes - _NOTE_BYTES
        wanted = self._rows[:_MAX_PICTURES]
        for row in wanted:
            picture = _picture(row)
            left -= len(picture.encode())
            if left < 0:
                self._notes.append(
                    f"Pictures of {len(self._pictures)} clips: more do not fit into {max_mb:g} MB."
                )
                break
            self._pictures.append(picture)

    def add_players(self, max_mb: float) -> None:
        """Add players of the first clips, each with an equal share of the room that is left."""
        wanted = [
            number
            for number, row in enumerate(self._rows[:_MAX_PLAYERS])
            if Path(str(row["video"])).is_file()
        ]
        for place, number in enumerate(wanted):
            left = int(max_mb * 1e6) - self.num_bytes - _NOTE_BYTES
            share = left // (len(wanted) - place) - _TAG_BYTES
            played = self._play(number, num_bytes=share, max_mb=max_mb)
            if played is not None:
                self._players.append(played)
        missing = len(wanted) - len(self._players)
        if missing:
            self._notes.append(
                f"{missing} of {len(wanted)} videos are left out: they do not fit into {max_mb:g} "
                "MB, or cannot be read."
            )

    def _play(self, number: int, *, num_bytes: int, max_mb: float) -> _Played | None:
        """Return a clip in a player, in at most so many bytes; None where it cannot be."""
        row = self._rows[number]
        with tempfile.TemporaryDirectory() as folder:
            try:
                part, start = _part(row, Path(folder))
            except VideoError:
                return None
            answers = answers_on_the_way(self.study, int(row["clip"]), part, start_seconds=start)
            parting = None if answers is None else answers.parting
            player = Player(
                part,
                answers,
                truth=str(row["label"]),
                top_k=1,
                frame_index=parting or 0,
                labels=self.language,
            )
            told = self._told(row)
            if parting is not None:
                seconds = float(part.pts_seconds[parting]) - start
                told += f" They are surest of different labels {seconds:.1f} s after its start."
            try:
                share = num_bytes - len(told.encode())
                kept = kept_player(player, num_bytes=share, max_mb=max_mb)
            except (OptionError, VideoError):  # too large, however small its pictures; or damaged
                return None
            finally:
                player.close()
                part.close()
        return _Played(number, told, kept)

    # ---- what it is made of ----------------------------------------------------------------------

    def _played(self) -> str:
        figures = "".join(
            f'<div><h3 id="played-{each.row}">{escape(_name(self._rows[each.row]))}</h3>'
            f'<p>{each.told}</p><div id="player-{number}"></div></div>'
            for number, each in enumerate(self._players)
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._notes)
        return f'{notes}<div class="players">{figures}</div>'

    def _told(self, row: dict[Any, Any]) -> str:
        label = translated(str(row["label"]), self.language)
        answers = ", ".join(
            f"{escape(name)} {self._answer(row, name)}" for name in self.study.names
        )
        when = _span(row).removeprefix("<br>")
        return f"<strong>{escape(label)}</strong>, {when}. At the end {answers}."

    def _answer(self, row: dict[Any, Any], name: str) -> str:
        said = translated(str(row[f"predicted_{name}"]), self.language)
        mark = "✓" if row[f"correct_{name}"] else "✗"
        return f"{mark} {escape(said)} {row[f'probability_{name}']:.2f}"

    def _clips(self) -> str:
        names, labels = self.study.names, self.study.evaluations[self.study.names[0]].labels
        head = "".join(
            f'<th scope="col">{escape(each)}</th>'
            for each in ["", "clip", "label", "divergence", *names]
        )
        played = {each.row for each in self._players}
        body = []
        for number, row in enumerate(self._rows):
            truth = labels.id_of(str(row["label"]))
            said = [labels.id_of(str(row[f"predicted_{name}"])) for name in names]
            cells = ",".join(_cell(model, truth, each) for model, each in enumerate(said))
            link = f'<br><a href="#played-{number}">▶ play</a>' if number in played else ""
            values = [
                self._pictures[number] if number < len(self._pictures) else "",
                f"{escape(_name(row))}{_span(row)}{link}",
                escape(translated(str(row["label"]), self.language)),
                f"{row['jsd_nats']:.3f} nats",
                *(self._answer(row, name) for name in names),
            ]
            line = "".join(f"<td>{value}</td>" for value in values)
            body.append(f'<tr id="clip-{number}" data-cells="{cells}">{line}</tr>')
        several = len(names) > 1
        order = "on which the models part furthest" if several else "that are wrong, the surest"
        rest = len(self.study) - len(self._rows)
        note = f"<p>Those {order} come first{f'; {rest} more are left out' if rest else ''}.</p>"
        return (
            f'{note}<p id="clips-told" hidden><strong id="clips-what"></strong> '
            f'<button type="button" id="clips-all">Show all {len(self._rows)} clips</button></p>'
            f'<div class="scroll"><table id="clips" data-first="{_NUM_FIRST}"><thead><tr>{head}'
            f"</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
        )


def _ranked(study: Study) -> pd.DataFrame:
    """Return the clips, those first that are worth a look: a lone model's surest errors."""
    clips = study.clips
    if len(study.names) > 1:
        return clips
    order = [f"correct_{study.names[0]}", f"probability_{study.names[0]}"]
    return clips.sort_values(order, ascending=[True, False], kind="stable", ignore_index=True)


def _part(row: dict[Any, Any], folder: Path) -> tuple[Video, float]:
    """Return a clip as a video of its own, and when the clip starts in it, in seconds.

    That is the video itself where the clip is all of it; else a part of it, in a file in `folder`.

    Raises:
        VideoError: It cannot be read.
    """
    video = Video(Path(str(row["video"])))
    ends = [row["start_seconds"] - _SLACK_SECONDS, row["end_seconds"] - _SLACK_SECONDS]
    first, stop = (int(each) for each in np.searchsorted(video.pts_seconds, ends))
    if stop - first >= video.num_frames:
        return video, float(row["start_seconds"])
    player = Player(video)
    try:
        path = player.export(
            folder / "part.mp4", start=first, stop=stop, overlay=False, progress=False
        )
    finally:
        player.close()
        video.close()
    part = Video(path, name=video.name)
    return part, part.start_seconds


def _cell(model: int, truth: int, said: int) -> str:
    """Return what links a matrix' cell and its clips: numbers of a model and of two labels."""
    return f"{model}-{truth}-{said}"


def _confusion(study: Study, number: int, clips: pd.DataFrame, num_rows: int, language: str) -> str:
    """Return a model's confusion matrix, whose numbers link to clips.

    Args:
        study: What is reported.
        number: Of the model.
        clips: All of them, in the order of the report.
        num_rows: How many of them the report has.
        language: To write labels in.
    """
    name = study.names[number]
    labels = study.evaluations[name].labels
    predicted = clips[f"predicted_{name}"]
    pairs = list(zip(clips["label"], predicted, strict=True))
    counts = pd.Series(pairs).value_counts(sort=False)
    totals = clips["label"].value_counts()
    # The first row of each pair is where its link leads.
    rows = {pair: row for row, pair in reversed(list(enumerate(pairs[:num_rows])))}
    known = {label for pair in pairs for label in pair}
    shown = [label for label in labels if label in known]
    note = ""
    if len(shown) > _MAX_LABELS:
        shown = _in_worst_errors(counts)
        note = f", the {len(shown)} labels with the commonest errors of {len(known)}"
    names = {label: translated(label, language) for label in shown}
    head = "".join(_head(names[label], "col") for label in shown)
    body = []
    for truth in shown:
        line = [_head(names[truth], "row")]
        for said in shown:
            count = int(counts.get((truth, said), 0))
            look = "right" if truth == said else "wrong"
            if not count:
                line.append(f'<td class="{look}"></td>')
                continue
            shade = _FAINTEST + (_DARKEST - _FAINTEST) * count / totals[truth]
            title = f"{name}: {names[truth]} taken for {names[said]}, {count} of {totals[truth]}"
            link, row = str(count), rows.get((truth, said))
            if row is not None:
                cell = _cell(number, labels.id_of(truth), labels.id_of(said))
                link = (
                    f'<a href="#clip-{row}" data-cell="{cell}" title="{escape(title)}" '
                    f'aria-label="{escape(title)}">{count}</a>'
                )
            line.append(f'<td class="{look}" style="--shade:{shade:.1f}%">{link}</td>')
        body.append(f"<tr>{''.join(line)}</tr>")
    wrong = int((clips["label"] != predicted).sum())
    return (
        f"<details{' open' if number == 0 else ''}><summary>{escape(name)}: {wrong} of "
        f'{len(clips)} wrong{note}</summary><div class="scroll"><table class="matrix">'
        f"<thead><tr><td>label ↓  predicted →</td>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div></details>"
    )


def _in_worst_errors(counts: pd.Series[int]) -> list[str]:
    """Return labels of the commonest errors, these first, as many as there is room for."""
    labels: list[str] = []
    for truth, said in counts.sort_values(ascending=False, kind="stable").index:
        more = list(dict.fromkeys([*labels, truth, said]))
        if truth != said and len(more) <= _MAX_LABELS:
            labels = more
    return labels


def _head(name: str, scope: str) -> str:
    return f'<th scope="{scope}" title="{escape(name)}"><span>{escape(name)}</span></th>'


def _figures(study: Study) -> str:
    table = study.table
    head = [
        "model", "top-1", "top-5", "calibration error", "time to a stable label", "label changes",
        "computing", "size", "memory",
    ]  # fmt: skip
    rows = [
        [
            escape(str(row["model"])),
            _with_ends(row, "top1", percent=True),
            _with_ends(row, "top5", percent=True),
            _with_ends(row, "ece", percent=False),
            _number(row.get("stable_seconds"), "{:.2f} s"),
            _number(row.get("flicker_per_second"), "{:.2f} per s"),
            _number(row.get("ms_per_frame"), "{:.1f} ms per frame"),
            _number(row.get("size_mb"), "{:.1f} MB"),
            _number(row.get("memory_mb"), "{:.0f} MB"),
        ]
        for row in table.to_dict("records")
    ]
    clips = int(table["num_clips"].iloc[0])
    videos = int(table["num_videos"].iloc[0])
    shown = [column for column in range(len(head)) if any(row[column] for row in rows)]
    return (
        html_table([head[i] for i in shown], [[row[i] for i in shown] for row in rows])
        + f"<p>{clips} clips of {videos} videos.</p>"
    )


def _differences(study: Study) -> str:
    head = ["", "difference of top-1", "only the first is right", "only the second", "p, adjusted"]
    rows = [
        [
            f"{escape(row['a'])} − {escape(row['b'])}",
            f"{100 * row['difference']:+.1f} points"
            + ("" if math.isnan(row["low"]) else f" [{100 * row['low']:+.1f}, "
               f"{100 * row['high']:+.1f}]"),
            f"{row['only_a']} clips",
            f"{row['only_b']} clips",
            "&lt; 0.001" if row["holm_p"] < 0.001 else f"{row['holm_p']:.3f}",
        ]
        for row in study.differences.to_dict("records")
    ]  # fmt: skip
    note = (
        "<p>An interval that holds 0 leaves open which is better. p is McNemar's (mid-p), adjusted "
        "for the number of pairs by Holm; it takes clips for independent.</p>"
    )
    return html_table(head, rows) + note


def _name(row: dict[Any, Any]) -> str:
    return Path(str(row["video"])).name


def _span(row: dict[Any, Any]) -> str:
    start, end = row["start_seconds"], row["end_seconds"]
    return "" if math.isnan(start) or math.isnan(end) else f"<br>{clock(start)} to {clock(end)}"


def _picture(row: dict[Any, Any]) -> str:
    """Return a picture from the middle of a clip; nothing for one that was no file."""
    path = Path(str(row["video"]))
    if not path.is_file():
        return ""
    try:
        with Video(path) as video:
            frame = video.frame_at_time((row["start_seconds"] + row["end_seconds"]) / 2)
            data = jpeg(frame.rgb, height_px=_PICTURE_HEIGHT_PX, quality=72)
    except VideoError as error:
        return f"<small>{escape(str(error))}</small>"
    return f'<img src="{data_url(data)}" alt="">'


def _chart(draw: Callable[[Axes], object], title: str) -> str:
    """Return a chart as a picture; one that is drawn as lines stays sharp."""
    matplotlib = require("matplotlib", why="a report's charts")
    figure = require("matplotlib.figure", why="a report's charts").Figure(
        figsize=(7.0, 4.2), dpi=100, layout="constrained"
    )
    draw(figure.subplots())
    stream = io.BytesIO()
    # Without a date, and without random ids, the same study gives the same file.
    with matplotlib.rc_context({"svg.hashsalt": "vidlab"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    address = data_url(stream.getvalue(), mime="image/svg+xml")
    return f'<img class="chart" src="{address}" alt="{escape(title)}">'


def _made_by(study: Study) -> str:
    about = versions_and_machine()
    items = [
        (name, f"{each.title}, {cost.runtime}, {cost.num_threads} threads")
        for name, each in study.evaluations.items()
        if (cost := each.cost) is not None
    ]
    items += [
        ("versions", ", ".join(f"{key} {value}" for key, value in about["versions"].items())),
        ("machine", ", ".join(str(value) for value in about["machine"].values())),
    ]
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in items)
    return f"<dl>{rows}</dl>"


def _with_ends(row: dict[Any, Any], key: str, *, percent: bool) -> str:
    value, low, high = row[key], row[f"{key}_low"], row[f"{key}_high"]
    if percent:
        value, low, high = 100 * value, 100 * low, 100 * high
    form = "{:.1f}" if percent else "{:.3f}"
    ends = "" if math.isnan(low) else f" [{form.format(low)}, {form.format(high)}]"
    return f"{form.format(value)}{' %' if percent else ''}{ends}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None or math.isnan(value) else form.format(value)
