"""A study as one HTML file: several models on the same labelled clips."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidlab.core.dependencies import require
from vidlab.core.errors import VideoError
from vidlab.core.images import data_url, jpeg
from vidlab.core.times import clock
from vidlab.evaluation import Study
from vidlab.feeding import versions_and_machine
from vidlab.report.page import html_table, page, write_page
from vidlab.video import Video

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_CLIPS = 20
_MAX_CONFUSIONS = 8
_PICTURE_HEIGHT_PX = 144


def write_study_report(study: Study, path: str | os.PathLike[str], *, max_mb: float = 20.0) -> Path:
    """Write a self-contained HTML report of a study, atomically.

    Args:
        study: What to report.
        path: The ``.html`` file to write.
        max_mb: What the file may have, in megabytes; pictures are left out where it is little.

    Returns:
        The path.

    Raises:
        OptionError: The file cannot be written.
        MissingDependencyError: matplotlib, which draws the charts, is not installed.
    """
    return write_page(path, partial(render, study), max_mb=max_mb)


def render(study: Study, *, max_mb: float = 20.0) -> str:
    """Return the report as HTML text."""
    several = len(study.names) > 1
    is_told = all(each.answers is not None for each in study.evaluations.values())
    parts = [
        f"<h1>{len(study.names)} model{'s' if several else ''} on {len(study)} clips</h1>",
        "<p>Intervals are of 95 %, from drawing whole videos anew: clips of one video resemble "
        "each other. Times are computing times on this machine, in this run.</p>",
        _figures(study),
        "<h2>Accuracy and time</h2>",
        _chart(study.plot, "Top-1 accuracy against computing time per frame"),
        "<h2>Does a difference mean anything?</h2>" if several else "",
        _differences(study) if several else "",
        "<h2>How sure, and how often right</h2>",
        _chart(study.plot_reliability, "Reliability of each model"),
        "<h2>Over time</h2>" if is_told else "",
        _chart(study.plot_over_time, "Accuracy by second") if is_told else "",
        "<h2>What is taken for what</h2>",
        _confusions(study),
        "<h2>Where they part</h2>" if several else "<h2>Clips</h2>",
        _clips(study, pictures_bytes=int(max_mb * 1e6 / 2)),
        "<h2>What was run</h2>",
        _made_by(study),
    ]
    return page(parts, title="Study", players=[], max_mb=max_mb)


def _figures(study: Study) -> str:
    table = study.table
    head = [
        "model", "top-1", "top-5", "calibration error", "time to a stable label", "label changes",
        "computing", "size",
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
        ]
        for row in table.to_dict("records")
    ]
    clips = int(table["num_clips"].iloc[0])
    videos = int(table["num_videos"].iloc[0])
    return html_table(head, rows) + f"<p>{clips} clips of {videos} videos.</p>"


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


def _confusions(study: Study) -> str:
    rows = []
    for name, each in study.evaluations.items():
        wrong = each.predictions.query("not correct")
        counts = wrong.groupby(["label", "predicted"], as_index=False).size()
        told = ", ".join(
            f"{escape(row['label'])} for {escape(row['predicted'])} ({row['size']})"
            for row in counts.nlargest(_MAX_CONFUSIONS, "size").to_dict("records")
        )
        rows.append([escape(name), told or "nothing"])
    return html_table(["model", "label taken for another (clips)"], rows)


def _clips(study: Study, *, pictures_bytes: int) -> str:
    shown = study.clips.head(_MAX_CLIPS)
    head = ["", "clip", "label", "divergence", *study.names]
    rows = []
    for row in shown.to_dict("records"):
        picture = _picture(row) if pictures_bytes > 0 else ""
        pictures_bytes -= len(picture)
        rows.append(
            [
                picture,
                f"{escape(Path(str(row['video'])).name)}{_span(row)}",
                escape(str(row["label"])),
                f"{row['jsd_nats']:.3f} nats",
                *(
                    f"{'✓' if row[f'correct_{name}'] else '✗'} "
                    f"{escape(str(row[f'predicted_{name}']))} {row[f'probability_{name}']:.2f}"
                    for name in study.names
                ),
            ]
        )
    note = f"<p>{len(shown)} of {len(study)} clips, those on which the models part furthest.</p>"
    return (note if len(shown) < len(study) else "") + html_table(head, rows)


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
