"""A run at a glance, as a notebook shows it: states, reasons of failures, what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

# Rows of failures that are shown: about a screen of them.
_NUM_FAILURES = 10

# Of the notebook's own colours, which follow its theme. Names may be broken anywhere.
_STYLE = """<style>
.vidlab-run { font: 13px/20px var(--jp-ui-font-family, system-ui, sans-serif);
  color: var(--jp-ui-font-color1, inherit); max-width: 900px; overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums; }
.vidlab-run .vl-states { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 4px 0 8px; }
.vidlab-run .vl-states span { padding-left: 8px; border-left: 3px solid #0072B2; }
.vidlab-run .vl-states .vl-failed { border-color: #D55E00; }
.vidlab-run .vl-states .vl-waiting { border-color: #8888; }
.vidlab-run .vl-states .vl-changed, .vidlab-run .vl-states .vl-missing { border-color: #E69F00; }
.vidlab-run table { width: 100%; margin: 0 0 8px; border-collapse: collapse; table-layout: fixed; }
.vidlab-run td, .vidlab-run th { text-align: left !important; vertical-align: top;
  padding: 4px 16px 4px 0; white-space: normal; line-height: 20px; word-break: keep-all; }
.vidlab-run th:first-child { width: 34%; }
</style>"""


def overview(
    *,
    models: Sequence[str],
    folder: str,
    states: Mapping[str, int],
    failures: pd.DataFrame,
    stopped: str | None,
) -> str:
    """Return a run as HTML that needs nothing from elsewhere, of bounded length.

    Args:
        models: The models' names.
        folder: Where it is.
        states: How many videos are in each state, in the order to show them; none of 0.
        failures: Columns ``video, reason, error``.
        stopped: Why it ended before all videos were done, or None.
    """
    num = sum(states.values())
    counts = "".join(
        f'<span class="vl-{state}"><b>{count:,}</b> {state}</span>'
        for state, count in states.items()
    )
    models_told = ", ".join(map(escape, models))
    parts = [
        f"<div>Run of {models_told} on {num:,} video{'' if num == 1 else 's'}, in "
        f"{escape(folder)}</div>",
        f'<div class="vl-states">{counts}</div>',
        f"<div>It stopped: {escape(stopped)}.</div>" if stopped else "",
        _failures(failures) if len(failures) else "",
        f"<div>Next: {', '.join(_next_steps(states))}</div>",
    ]
    return f'{_STYLE}<div class="vidlab-run">{"".join(parts)}</div>'


def _failures(failures: pd.DataFrame) -> str:
    """Return the first reasons as a table, and how many more there are, of which kinds."""
    first = failures.head(_NUM_FAILURES)
    rows = "".join(
        f"<tr><td>{escape(video)}</td><td>{escape(reason)}</td></tr>"
        for video, reason in zip(first["video"], first["reason"], strict=True)
    )
    head = "<thead><tr><th>Failed</th><th>Reason</th></tr></thead>"
    table = f"<table>{head}<tbody>{rows}</tbody></table>"
    num_more = len(failures) - len(first)
    if not num_more:
        return table
    kinds = ", ".join(
        f"{count:,} {escape(str(kind))}" for kind, count in failures["error"].value_counts().items()
    )
    return f"{table}<div>And {num_more:,} more in <code>run.failures</code>; in all {kinds}.</div>"


def _next_steps(states: Mapping[str, int]) -> list[str]:
    """Return what can be done with a run, as HTML."""
    steps = []
    if {"done", "changed", "missing"} & states.keys():
        steps += ["<code>run.table()</code>", "<code>vidlab.Gallery(run)</code>"]
    if {"waiting", "changed", "failed"} & states.keys():
        steps.append("the same <code>vidlab.predict_many(…)</code>, which goes on where this is")
    return steps
