"""The player's page without Jupyter: a plain page in real Chromium, and a kernel that is a table.

What the kernel would answer is made by the code that makes it (`vidlab.widgets.payload`), so the
page under test sees true bytes; only the wire is left out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Locator, Page, Route

import vidlab as vl
from vidlab.widgets.annotations import read_boxes, read_truth
from vidlab.widgets.curves import distance_curve, read_curves
from vidlab.widgets.heat import read_heatmaps
from vidlab.widgets.keypoints import read_keypoints
from vidlab.widgets.payload import describe_overlays, describe_predictions

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "vidlab" / "widgets" / "static"
ADDRESS = "http://player.test/"

# As much of JupyterLab's themes as the player asks for.
THEMES = {
    "light": "--jp-ui-font-color1: rgba(0,0,0,.87); --jp-ui-font-color2: rgba(0,0,0,.54);"
    "--jp-layout-color1: #fff; --jp-layout-color2: #eee; --jp-border-color2: #e0e0e0;"
    "--jp-brand-color1: #1976d2; --jp-warn-color1: #f57c00;",
    "dark": "--jp-ui-font-color1: rgba(255,255,255,1); --jp-ui-font-color2: rgba(255,255,255,.7);"
    "--jp-layout-color1: #111; --jp-layout-color2: #424242; --jp-border-color2: #616161;"
    "--jp-brand-color1: #2196f3; --jp-warn-color1: #ff9800;",
}

# The page runs no code and makes no elements of text: what would, fails.
TRUST = """<meta http-equiv="Content-Security-Policy"
  content="script-src 'self' 'unsafe-inline'; require-trusted-types-for 'script'">"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>player</title>
<meta name="viewport" content="width=device-width">
TRUST
<link rel="stylesheet" href="player.css">
<style>body { margin: 0; padding: 8px; background: var(--jp-layout-color1, Canvas);
  min-height: 2400px; THEME } :root { color-scheme: SCHEME }</style></head>
<body><main id="place"></main>
<script type="module">
import start from "./player.js";
const { state, answers } = await (await fetch("kernel.json")).json();
const bytes = (text) => new DataView(Uint8Array.fromBase64
  ? Uint8Array.fromBase64(text).buffer
  : Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer);
const listeners = new Map();
const heard = (name) => listeners.get(name) ?? listeners.set(name, new Set()).get(name);
const changed = new Set();
const model = {
  saved: [], asked: [],
  get: (name) => state[name],
  set(name, value) {
    if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
    state[name] = value;
    changed.add(name);
    for (const listener of [...heard(`change:${name}`)]) listener();
  },
  save_changes() {
    this.saved.push(Object.fromEntries([...changed].map((name) => [name, state[name]])));
    changed.clear();
  },
  on: (name, listener) => heard(name).add(listener),
  off: (name, listener) => heard(name).delete(listener),
  send(request) {
    this.asked.push(request.op);
    const answer = answers[request.op];
    if (!answer) return;
    let buffers = answer.buffers.map(bytes);
    if (request.op === "read") buffers = [new DataView(
      buffers[0].buffer.slice(request.offset, request.offset + request.length))];
    const reply = answer.error ? { error: answer.error } : { result: answer.result };
    queueMicrotask(() => {
      for (const listener of [...heard("msg:custom")])
        listener({ id: request.id, ...reply }, buffers);
    });
  },
};
window.model = model;
window.close_player = start().render({ model, el: document.getElementById("place") });
</script></body></html>"""


@dataclass
class ViewPage:
    """One player on its page."""

    page: Page
    messages: list[str] = field(default_factory=list)

    @property
    def root(self) -> Locator:
        """The player."""
        return self.page.locator(".vidlab-player")

    @property
    def timeline(self) -> Locator:
        """The timeline under the picture."""
        return self.root.locator(".vl-timeline")

    def get(self, name: str) -> Any:
        """Return a trait as the page has it."""
        return self.page.evaluate("(name) => window.model.get(name)", name)

    def set(self, name: str, value: Any) -> None:
        """Change a trait as Python would."""
        self.page.evaluate("([name, value]) => window.model.set(name, value)", [name, value])

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def wait_get(self, name: str, value: Any) -> None:
        """Wait until a trait has a value."""
        self.page.wait_for_function(
            "([name, value]) => JSON.stringify(window.model.get(name)) === value",
            arg=[name, json.dumps(value, separators=(",", ":"))],
        )


Show = Callable[..., "ViewPage"]
"""Opens a player as `open_view` does; see the fixture `show`."""


def open_view(
    browser: Browser,
    video: vl.Video,
    predictions: Sequence[vl.Predictions] = (),
    *,
    comparison: vl.Comparison | None = None,
    truth: Any = None,
    boxes: Any = None,
    keypoints: Any = None,
    skeleton: Any = None,
    curves: Any = None,
    heatmaps: Any = None,
    labels: str | None = None,
    state: Mapping[str, Any] | None = None,
    top_k: int = 5,
    width: int = 1000,
    height: int = 900,
    theme: str | None = "light",
    built: Path = STATIC / "player.js",
    answers: Mapping[str, Any] | None = None,
    **options: Any,
) -> ViewPage:
    """Open a player on a page of its own.

    Args:
        browser: Chromium.
        video: What it plays; its file is played as it is.
        predictions: One per model.
        comparison: Of several models.
        truth: As `vidlab.Player` takes it.
        boxes: As `vidlab.Player` takes them.
        keypoints: As `vidlab.Player` takes them.
        skeleton: As `vidlab.Player` takes it.
        curves: As `vidlab.Player` takes them.
        heatmaps: As `vidlab.Player` takes them.
        labels: As `vidlab.Player` takes them.
        state: Traits that differ from their defaults.
        top_k: Labels to list.
        width: Of the window, px.
        height: Of the window, px.
        theme: "light" or "dark" with Jupyter's colours, None for a page without them.
        built: The front end to load.
        answers: Replies that differ from the true ones.
        options: For the browser's page, such as ``locale`` or ``color_scheme``.
    """
    known, drawn = read_boxes(boxes), read_keypoints(keypoints, skeleton)
    lanes = read_curves(curves)
    if drawn is not None and drawn.gaps is not None:
        lanes = (distance_curve(drawn.gaps), *lanes)
    heat = read_heatmaps(heatmaps, height_px=video.height, width_px=video.width)
    said = read_truth(truth, video="clip.mp4")
    overlays = ["label", "bars"] if predictions else []
    overlays += ["boxes"] if known else []
    overlays += ["keypoints"] if drawn else []
    overlays += ["heat"] if heat else []
    traits: dict[str, Any] = {
        "frame_index": 0, "time_seconds": video.start_seconds, "playing": False, "speed": 1,
        "selection": None, "overlay": [], "loop": False, "threshold": None, "locale": None,
        "_link": None, "heatmap_opacity": 0.5, "heatmap_shown": heat[0].name if heat else "",
        "_info": {
            "name": video.name, "width": video.width, "height": video.height,
            "has_audio": video.has_audio, "top_k": top_k, "has_truth": said is not None,
            "models": [each.title for each in predictions], "overlays": overlays,
            "keypoints": [each.title for each in drawn.layers] if drawn else [],
            "curves": [each.name for each in lanes],
            "heatmaps": [{"name": each.name, "shown": each.name} for each in heat],
        },
        **(state or {}),
    }  # fmt: skip
    data = Path(video.source).read_bytes()
    times = np.asarray(video.pts_seconds, dtype="<f8").tobytes()
    opened = {
        "token": "t", "delivery": "whole", "how": "direct", "mime": "video/mp4",
        "num_bytes": len(data), "codec": "H.264", "why": "", "warning": "",
        "coded_width": video.width, "coded_height": video.height, "has_audio": video.has_audio,
        "offset_seconds": 0.0, "end_seconds": video.end_seconds,
    }  # fmt: skip
    kernel: dict[str, Any] = {
        "open": _answer(opened, [times]),
        "read": _answer({}, [data]),
        "predictions": _answer(
            *describe_predictions(
                predictions, comparison, top_k=top_k,
                truth=said.in_frames(video) if said else (), language=labels,
            )
        ),
        "overlays": _answer(*describe_overlays(known, drawn, lanes, heat, language=labels)),
        **(answers or {}),
    }  # fmt: skip
    page = browser.new_page(viewport={"width": width, "height": height}, **options)
    view = ViewPage(page)
    page.on("console", lambda m: view.messages.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: view.messages.append(str(error)))
    html = PAGE.replace("TRUST", TRUST).replace("THEME", THEMES[theme] if theme else "")
    html = html.replace("SCHEME", theme or "light dark")
    files: dict[str, tuple[str, str | bytes]] = {
        "": ("text/html", html),
        "player.js": ("text/javascript", built.read_bytes()),
        "player.css": ("text/css", (STATIC / "player.css").read_bytes()),
        "kernel.json": ("application/json", json.dumps({"state": traits, "answers": kernel})),
        "favicon.ico": ("image/x-icon", b""),
    }

    def serve(route: Route) -> None:
        kind, body = files[route.request.url.removeprefix(ADDRESS)]
        route.fulfill(content_type=kind, body=body)

    page.route(f"{ADDRESS}**", serve)
    page.goto(ADDRESS)
    page.wait_for_selector(".vidlab-player")
    return view


def _answer(result: Mapping[str, Any], buffers: Sequence[bytes]) -> dict[str, Any]:
    texts = [base64.b64encode(each).decode("ascii") for each in buffers]
    return {"result": dict(result), "buffers": texts}
