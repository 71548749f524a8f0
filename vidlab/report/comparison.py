"""A comparison as one HTML file that a person can send to a colleague."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path

import pandas as pd

from vidlab.comparison import Comparison
from vidlab.core.images import data_url, jpeg
from vidlab.core.label_names import translate_labels, translated
from vidlab.core.palette import PALETTE, ink_on
from vidlab.core.times import clock
from vidlab.predictions import Predictions
from vidlab.report.page import html_table, page, write_page
from vidlab.video import Video
from vidlab.widgets import Player

_WIDTH = 1000
_BAND_HEIGHT = 26
_STRIP_FRAMES = 8
_MAX_STRETCHES = 12
_LEGEND_LABELS = 8


def write_report(
    comparison: Comparison,
    path: str | os.PathLike[str],
    *,
    max_mb: float = 20.0,
    labels: str | None = None,
) -> Path:
    """Write a self-contained HTML report of a comparison, atomically.

    It holds the player with the video in it, made smaller where it does not fit.

    Args:
        comparison: What to report; its pictures and its player need its ``video``.
        path: The ``.html`` file to write.
        max_mb: What the file may have, in megabytes.
        labels: Language to write labels in, such as ``"ko"``; None leaves them as they are.

    Returns:
        The path.

    Raises:
        OptionError: The file cannot be written, the video does not fit, or there are no names in
            that language.
    """
    return write_page(path, partial(render, comparison, labels=labels), max_mb=max_mb)


def render(comparison: Comparison, *, max_mb: float = 20.0, labels: str | None = None) -> str:
    """Return the report as HTML text."""
    name = comparison.predictions[0].video
    disagreements = comparison.disagreements()
    share = (comparison.table["agree"].mean() if len(comparison) else 0.0) * 100
    stopped = sorted({item.stopped for item in comparison.predictions if item.stopped})
    is_playable = comparison.video is not None and len(comparison) > 0
    parts = [
        f"<h1>{escape(name)}</h1>",
        f"<p>{len(comparison.names)} models, {len(comparison)} frames. They name the same label "
        f"on {share:.1f} % of the frames and part in {len(disagreements)} "
        f"stretch{'es' if len(disagreements) != 1 else ''}.</p>",
        *(f"<p><strong>Stopped early:</strong> {escape(reason)}</p>" for reason in stopped),
        '<div id="player-0"></div>' if is_playable else "",
        _strip(comparison),
        "<h2>What each model said</h2>",
        _timeline(comparison, labels),
        "<h2>Where they part</h2>",
        _stretches(comparison, translate_labels(disagreements, labels=labels)),
        "<h2>Last frame</h2>",
        _last_answers(comparison, labels),
        "<h2>Computing time per answer</h2>",
        "<p>Without decoding, after the first call. A model that takes several frames a call "
        "answers for all of them at its end; the time is shared between them.</p>",
        _latency(comparison),
        "<h2>What was run</h2>",
        _made_by(comparison),
    ]
    players = [Player(comparison.video, comparison, labels=labels)] if is_playable else []
    return page(parts, title=name, players=players, max_mb=max_mb)


def _picture(video: Video, frame_index: int, *, height_px: int) -> str:
    return data_url(jpeg(video.frame_at(frame_index).rgb, height_px=height_px, quality=72))


def _strip(comparison: Comparison) -> str:
    if comparison.video is None or not len(comparison):
        return ""
    count = min(_STRIP_FRAMES, len(comparison))
    positions = [round((i + 0.5) * len(comparison) / count - 0.5) for i in range(count)]
    figures = "".join(
        f'<figure><img src="{_picture(comparison.video, frame, height_px=120)}" '
        f'alt="frame {frame}"><figcaption>{clock(seconds)}</figcaption></figure>'
        for position in positions
        for frame, seconds in [
            (int(comparison.frame_index[position]), float(comparison.time_seconds[position]))
        ]
    )
    return f'<div class="strip">{figures}</div>'


def _timeline(comparison: Comparison, language: str | None) -> str:
    if not len(comparison):
        return "<p>No frame was answered.</p>"
    begin = float(comparison.time_seconds[0])
    bounds = [*map(float, comparison.time_seconds), comparison.end_seconds]
    scale = _WIDTH / max(bounds[-1] - begin, 1e-9)
    table = comparison.table
    shapes: list[str] = []
    top = 0
    for name, item in zip(comparison.names, comparison.predictions, strict=True):
        shapes.append(
            f'<text x="0" y="{top + 12}" font-size="12" fill="currentColor">'
            f"{escape(name)} · {escape(item.title)}</text>"
        )
        top += 18
        labels = table[f"label_{name}"].tolist()
        for start, stop in _runs(labels):
            label = labels[start]
            left = (bounds[start] - begin) * scale
            width = (bounds[stop] - bounds[start]) * scale
            shapes.append(
                f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_BAND_HEIGHT}" '
                f'fill="{PALETTE.color_of(label)}"><title>{escape(translated(label, language))}, '
                f"{clock(bounds[start])} to {clock(bounds[stop])}</title></rect>"
            )
            if width > 16:
                shapes.append(
                    f'<text x="{left + 5:.1f}" y="{top + 17}" font-size="12" font-weight="600" '
                    f'fill="{ink_on(PALETTE.color_of(label))}">'
                    f"{escape(PALETTE.letter_of(label))}</text>"
                )
        top += _BAND_HEIGHT + 10
    top += 4
    peak = max(float(comparison.divergence.max()), 1e-9)
    base = top + 58
    shapes.append(
        f'<text x="0" y="{top + 12}" font-size="12" fill="currentColor">divergence '
        f"(Jensen-Shannon), peak {peak:.3f} nats</text>"
    )
    outline = [f"M0,{base}"]
    for position, value in enumerate(comparison.divergence):
        left = (bounds[position] - begin) * scale
        right = (bounds[position + 1] - begin) * scale
        height = base - 38 * float(value) / peak
        outline.append(f"L{left:.1f},{height:.1f}L{right:.1f},{height:.1f}")
    outline.append(f"L{_WIDTH},{base}Z")
    shapes.append(f'<path d="{"".join(outline)}" fill="currentColor" opacity="0.45"/>')
    shapes.append(
        f'<text x="0" y="{base + 16}" font-size="12" fill="currentColor">{clock(begin)}</text>'
        f'<text x="{_WIDTH}" y="{base + 16}" font-size="12" text-anchor="end" '
        f'fill="currentColor">{clock(bounds[-1])}</text>'
    )
    drawing = (
        f'<svg viewBox="0 0 {_WIDTH} {base + 22}" role="img" '
        f'aria-label="Top label of each model over time">{"".join(shapes)}</svg>'
    )
    counts = pd.concat([table[f"label_{name}"] for name in comparison.names]).value_counts()
    legend = "".join(
        f'<li><span class="key" style="background:{PALETTE.color_of(label)}"></span>'
        f"{escape(PALETTE.letter_of(label))} {escape(translated(label, language))}</li>"
        for label in counts.index[:_LEGEND_LABELS]
    )
    more = len(counts) - _LEGEND_LABELS
    legend += f"<li>and {more} more</li>" if more > 0 else ""
    return f'{drawing}<ul class="legend">{legend}</ul>'


def _runs(labels: Sequence[str]) -> list[tuple[int, int]]:
    """Return half-open ranges of equal neighbours."""
    edges = [0, *(i for i in range(1, len(labels)) if labels[i] != labels[i - 1]), len(labels)]
    return list(itertools.pairwise(edges))


def _stretches(comparison: Comparison, disagreements: pd.DataFrame) -> str:
    if disagreements.empty:
        return "<p>The models name the same label on every frame.</p>"
    shown = disagreements.nlargest(_MAX_STRETCHES, "max_jsd_nats").sort_values("start_seconds")
    head = ["", "from", "to", "peak divergence", *comparison.names]
    rows = []
    for row in shown.to_dict("records"):
        picture = ""
        if comparison.video is not None:
            frame = int(
                comparison.frame_index[(comparison.time_seconds <= row["peak_seconds"]).sum() - 1]
            )
            picture = f'<img src="{_picture(comparison.video, frame, height_px=144)}" alt="">'
        rows.append(
            [
                picture,
                clock(row["start_seconds"]),
                clock(row["end_seconds"]),
                f"{row['max_jsd_nats']:.3f} nats",
                *(escape(str(row[f"label_{name}"])) for name in comparison.names),
            ]
        )
    left_out = len(disagreements) - len(shown)
    note = f"<p>The {len(shown)} widest apart of {len(disagreements)}.</p>" if left_out else ""
    return note + html_table(head, rows)


def _last_answers(comparison: Comparison, language: str | None) -> str:
    rows = []
    for name, item in zip(comparison.names, comparison.predictions, strict=True):
        last = item.at_frame(int(item.frame_index[-1])) if len(item) else item.table
        answer = ", ".join(
            f"{escape(str(row.label))} {row.probability:.3f}"
            for row in translate_labels(last.head(3), labels=language).itertuples()
        )
        rows.append([escape(name), answer])
    return html_table(["model", "top labels and probabilities"], rows)


def _latency(comparison: Comparison) -> str:
    rows = [
        [
            escape(str(row["model"])),
            f"{row['median_ms']:.2f} ms",
            f"{row['p95_ms']:.2f} ms",
            escape(str(row["answers_per_call"])),
            f"{row['first_call_ms']:.0f} ms",
            escape(str(row["num_threads"])),
            escape(str(row["runtime"])),
        ]
        for row in comparison.latency.to_dict("records")
    ]
    return html_table(
        ["model", "median", "95th percentile", "frames a call", "first call", "threads", "runtime"],
        rows,
    )


def _made_by(comparison: Comparison) -> str:
    items: list[tuple[str, str]] = []
    for name, item in zip(comparison.names, comparison.predictions, strict=True):
        items.append((name, _weights_line(item)))
    made_by = comparison.predictions[0].made_by
    versions = ", ".join(f"{key} {value}" for key, value in made_by.get("versions", {}).items())
    machine = made_by.get("machine", {})
    items += [
        ("versions", versions),
        (
            "machine",
            f"{machine.get('processor')}, {machine.get('cores')} cores, {machine.get('system')}",
        ),
        ("made", str(made_by.get("created", ""))),
    ]
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in items)
    return f"<dl>{rows}</dl>"


def _weights_line(item: Predictions) -> str:
    model = item.made_by.get("model", {})
    size = item.made_by.get("preprocessing", {})
    fps = item.made_by.get("sampling", {}).get("fps")
    return (
        f"{model.get('weights_file')} (SHA-256 {str(model.get('weights_sha256'))[:16]}…), "
        f"{size.get('width_px')}x{size.get('height_px')} px, {size.get('resize')}, {fps} fps"
    )
