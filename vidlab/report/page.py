"""What reports are made of: one page, its style, tables, and players that go into it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from vidlab.core.errors import OptionError
from vidlab.core.files import as_path, atomic_write, check_writable
from vidlab.widgets import Player
from vidlab.widgets.page import document, kept_player

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --muted: #57606a; --line: #d0d7de;
  --paper: #ffffff; --soft: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --muted: #9da7b1;
  --line: #3d444d; --paper: #0d1117; --soft: #161b22; } }
* { box-sizing: border-box; }
body { font: 14px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 0 auto; max-width: 1064px; padding: 24px 32px 48px; }
h1 { font-size: 22px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 32px 0 8px; }
p { margin: 0 0 12px; color: var(--muted); }
.strip { display: flex; gap: 4px; } .strip figure { flex: 1 1 0; min-width: 0; margin: 0; }
.strip img { width: 100%; display: block; border-radius: 4px; }
figcaption { font-size: 12px; color: var(--muted); font-variant-numeric: tabular-nums; }
@media (max-width: 600px) { .strip figure:nth-child(even) { display: none; } }
svg { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; word-break: keep-all; }
th { color: var(--muted); font-weight: 600; white-space: nowrap; }
td.number { text-align: right; } td img { height: 72px; border-radius: 4px; display: block; }
img.chart { width: 100%; max-width: 720px; background: #fff; border-radius: 4px; display: block; }
.key { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin: 0 6px -1px 0; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 8px 0 0; padding: 0;
  list-style: none; }
h3 { font-size: 14px; margin: 0; overflow-wrap: anywhere; }
[hidden] { display: none !important; }
.players { display: grid; gap: 24px 16px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); }
.players > div { min-width: 0; }
summary { cursor: pointer; padding: 4px 0; }
.matrix { min-width: 0; border-collapse: separate; border-spacing: 2px; font-size: 12px;
  line-height: 16px; margin-bottom: 12px; }
.matrix :is(th, td) { padding: 0; border: 0; color: inherit; font-weight: 400; }
.matrix td { min-width: 28px; height: 24px; text-align: center; vertical-align: middle;
  border-radius: 2px; box-shadow: inset 0 0 0 1px var(--line);
  background: color-mix(in srgb, var(--tone) var(--shade, 0%), var(--paper)); }
.matrix .right { --tone: #1976d2; } .matrix .wrong { --tone: #d55e00; }
.matrix td:has(a) { box-shadow: none; }
.matrix a { display: block; padding: 4px; color: inherit; text-decoration: none; }
.matrix a:is(:hover, :focus-visible) { outline: 2px solid; outline-offset: -2px; }
.matrix a[aria-current="true"] { font-weight: 700; outline: 2px solid; outline-offset: -2px; }
.matrix thead :is(th, td) { vertical-align: bottom; background: none; box-shadow: none; }
.matrix thead td { padding: 0 6px 2px 0; color: var(--muted); white-space: pre; }
.matrix th span { display: block; max-width: 200px; overflow: hidden; text-overflow: ellipsis; }
.matrix thead span { max-width: none; max-height: 128px; margin: auto; writing-mode: vertical-rl;
  text-orientation: sideways; transform: rotate(180deg); }
.matrix tbody th { padding-right: 6px; text-align: right; vertical-align: middle; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
"""


def write_page(path: str | os.PathLike[str], render: Callable[..., str], *, max_mb: float) -> Path:
    """Write what `render` gives for ``max_mb`` as a file, atomically.

    Raises:
        OptionError: It is no ``.html`` file, cannot be written, or `max_mb` is out of range.
    """
    target = as_path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise OptionError(f"A report is a .html file; got {target.name!r}.")
    is_number = isinstance(max_mb, int | float) and not isinstance(max_mb, bool)
    if not is_number or not 0 < max_mb < math.inf:
        raise OptionError(f"max_mb must be a number of megabytes above 0; got {max_mb!r}.")
    check_writable(target)
    html = render(max_mb=max_mb)
    try:
        with atomic_write(target) as stream:
            stream.write(html.encode(errors="backslashreplace"))
    except OSError as error:
        raise OptionError(f"Cannot write {str(target)!r}: {error}.") from error
    return target


def page(parts: Sequence[str], *, title: str, players: Sequence[Player], max_mb: float) -> str:
    """Return a report as HTML text, with players that share what its limit leaves.

    Args:
        parts: HTML, with an element ``player-0``, ``player-1`` … for each of the players.
        title: Text.
        players: Players; they are closed.
        max_mb: What the page may have, in megabytes.

    Raises:
        OptionError: A player does not fit, however small its pictures.
    """
    rest = len(assemble(parts, [], title=title).encode(errors="backslashreplace"))
    kept: list[str] = []
    left = int(max_mb * 1e6) - rest
    for number, player in enumerate(players):
        share = left // (len(players) - number)
        kept.append(kept_player(player, num_bytes=share, max_mb=max_mb))
        left -= len(kept[-1])
        player.close()
    return assemble(parts, kept, title=title)


def assemble(parts: Sequence[str], kept: Sequence[str], *, title: str) -> str:
    """Return a report as HTML text.

    Args:
        parts: HTML, with an element ``player-0``, ``player-1`` … for each of the players.
        kept: What `kept_player` returned of each player.
        title: Text.
    """
    body = "\n".join(part for part in parts if part)
    return document(body, kept, title=title, style=_STYLE)


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; cells are HTML already, heads are text."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
