"""A player as one HTML file: it plays and scrubs with no kernel and no network."""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import OptionError, VideoDecodeError
from vidlab.core.files import as_path, atomic_write, check_writable
from vidlab.video import Video
from vidlab.video.writer import VideoWriter, even
from vidlab.widgets import base
from vidlab.widgets.annotations import Truth
from vidlab.widgets.media.plan import Plan, plan_for, title_of
from vidlab.widgets.payload import describe_overlays, describe_predictions

if TYPE_CHECKING:
    from vidlab.widgets.player import Player


# Heights that a video is made smaller to, px, the first that its share of bits is enough for.
_HEIGHTS_PX = (1080, 720, 540, 480, 360, 240, 180, 120)

# Bits a pixel under which H.264 shows blocks; at the last height, what can be recognized.
_GOOD_BITS, _LEAST_BITS = 0.06, 0.02

_AUDIO_BITS = 64_000

# Room for the line below the player.
_NOTE_BYTES = 2_000

# What a container and the limit on a second's bits add to the average.
_SPARE = 0.9
_MAX_TRIES = 4

_TRAITS = (
    "frame_index", "time_seconds", "playing", "speed", "overlay", "selection", "loop",
    "keypoint_color", "heatmap_opacity", "heatmap_shown", "threshold", "locale", "_link", "_info",
)  # fmt: skip

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 16px; max-width: 1400px; background: Canvas; color: CanvasText;
  font: 13px/1.5 system-ui, sans-serif; }
"""

_TEXTS = {
    "en": {
        "kept": "Saved by vidlab. The video is inside this file, as it was.",
        "encoded": "Saved by vidlab. The video is inside this file, encoded again at "
        "{width} × {height} px: {why}",
        "script": "This page plays a video and needs JavaScript.",
    },
    "ko": {
        "kept": "vidlab으로 저장했습니다. 비디오는 원본 그대로 이 파일 안에 들어 있습니다.",
        "encoded": "vidlab으로 저장했습니다. 비디오는 이 파일 안에 {width} × {height} px로 "
        "다시 인코딩되어 들어 있습니다: {why}",
        "script": "이 페이지에서 비디오를 재생하려면 JavaScript가 필요합니다.",
    },
}


@dataclass(frozen=True)
class _Movie:
    """A video's bytes, and what the page needs to know to play them."""

    data: bytes
    num_frames: int
    facts: dict[str, Any]


def save_html(player: Player, path: str | os.PathLike[str], *, max_mb: float) -> Path:
    """Write a player as one HTML file; see `Player.save_html`."""
    target = as_path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise OptionError(f"save_html writes a .html file; got {target.name!r}.")
    is_number = isinstance(max_mb, int | float) and not isinstance(max_mb, bool)
    if not is_number or not 0 < max_mb < math.inf:
        raise OptionError(f"max_mb must be a number of megabytes above 0; got {max_mb!r}.")
    check_writable(target)
    language = player.locale or "en"
    texts = _TEXTS[language]

    def page(note: str, kept: Sequence[str]) -> str:
        body = f"""<main id="player-0"></main>
<noscript>{escape(texts["script"])}</noscript>
<footer><p>{escape(note)}</p></footer>"""
        title = player.video.name
        return document(body, kept, title=title, style=_STYLE, language=language)

    rest = len(page("", [""]).encode(errors="backslashreplace"))
    kept, movie = _fitted(player, num_bytes=int(max_mb * 1e6) - rest - _NOTE_BYTES, max_mb=max_mb)
    note = texts["kept" if movie.facts["how"] == "direct" else "encoded"].format(
        width=movie.facts["coded_width"], height=movie.facts["coded_height"],
        why=movie.facts["why"],
    )  # fmt: skip
    html = page(note, [kept]).encode(errors="backslashreplace")
    try:
        with atomic_write(target) as stream:
            stream.write(html)
    except OSError as error:
        raise OptionError(f"Cannot write {str(target)!r}: {error}.") from error
    return target


# ---- the video -------------------------------------------------------------------------------


def _movie(player: Player, *, num_bytes: int, max_mb: float) -> _Movie:
    """Return the video in at most `num_bytes`: as it is where that plays and fits."""
    video = player.video
    plan = plan_for(video)
    if plan.how == "direct":
        with video.open_bytes() as stream:
            if stream.seek(0, io.SEEK_END) <= num_bytes:
                stream.seek(0)
                data = stream.read()
                return _Movie(data, video.num_frames, _facts(video, plan, num_bytes=len(data)))
        why = f"The file is larger than this page's {max_mb:g} MB leave room for."
    else:
        why = plan.why
    return _encoded(video, num_bytes=num_bytes, max_mb=max_mb, why=why)


def _encoded(video: Video, *, num_bytes: int, max_mb: float, why: str) -> _Movie:
    bits = num_bytes * 8 * _SPARE / max(video.duration_seconds, 0.1)
    for _ in range(_MAX_TRIES):
        audio_bits = min(_AUDIO_BITS, int(bits * 0.2)) if video.has_audio else 0
        size = _size(video, bits - audio_bits, num_bytes=num_bytes, max_mb=max_mb)
        data, num_frames, warning = _encode(
            video, size, video_bits=int(bits - audio_bits), audio_bits=audio_bits
        )
        if len(data) <= num_bytes:
            facts = _facts(video, Plan("transcode", "video/mp4", why), num_bytes=len(data))
            times = video.pts_seconds
            facts |= {
                "coded_width": even(size[0]),
                "coded_height": even(size[1]),
                "scaled": size != (video.width, video.height),
                "warning": warning,
                "offset_seconds": float(times[0]),
            }
            if num_frames < len(times):
                facts["end_seconds"] = float(times[num_frames])
            return _Movie(data, num_frames, facts)
        bits *= 0.9 * num_bytes / len(data)
    raise _too_small(video, num_bytes=num_bytes, max_mb=max_mb)


def _size(
    video: Video, bits_per_second: float, *, num_bytes: int, max_mb: float
) -> tuple[int, int]:
    """Return the largest size that so many bits are enough for."""
    heights = [video.height, *(height for height in _HEIGHTS_PX if height < video.height)]
    for number, height in enumerate(heights):
        width = max(2, even(round(video.width * height / video.height)))
        size = (video.width, video.height) if number == 0 else (width, even(height))
        is_last = number == len(heights) - 1
        wanted = _LEAST_BITS if is_last else _GOOD_BITS
        if bits_per_second >= wanted * size[0] * size[1] * video.fps:
            return size
    raise _too_small(video, num_bytes=num_bytes, max_mb=max_mb)


def _too_small(video: Video, *, num_bytes: int, max_mb: float) -> OptionError:
    height = min(_HEIGHTS_PX[-1], video.height)
    pixels = height * video.width * height / video.height
    sound = 1.25 if video.has_audio else 1.0
    needed = _LEAST_BITS * pixels * video.fps * video.duration_seconds / 8 / _SPARE * sound
    others = max_mb - num_bytes * 4 / 3 / 1e6
    enough = max(needed * 4 / 3 / 1e6 + others, max_mb) * 1.1
    return OptionError(
        f"{video.name} ({video.duration_seconds:.0f} s) does not fit into {max_mb:g} MB, however "
        f"small its pictures. Give max_mb={max(1, int(np.ceil(enough)))} or more, or save a part: "
        "player.export('part.mp4', start=, stop=), and then a Player of that."
    )


def _encode(
    video: Video, size: tuple[int, int], *, video_bits: int, audio_bits: int
) -> tuple[bytes, int, str]:
    """Return an MP4 file, how many frames are in it, and what stopped it, in words."""
    stream = io.BytesIO()
    times, warning = video.pts_seconds, ""
    writer = VideoWriter(
        stream, times=times, end_seconds=video.end_seconds, width=size[0], height=size[1],
        sample_rate=video.audio_sample_rate if video.has_audio else None,
        num_channels=video.num_audio_channels, crf=23, video_bit_rate=video_bits,
        audio_bit_rate=audio_bits or None, preset="medium",
    )  # fmt: skip
    walk = video.walk(stop=len(times))
    bar = progress_bar(total=len(times), desc="encode", unit="frame")
    with closing(walk), bar, writer:
        try:
            for frame, samples in walk:
                writer.add(_scaled(frame.rgb, size), samples)
                bar.update(1)
        except VideoDecodeError as error:
            if not writer.num_frames:
                raise
            warning = f"Only {writer.num_frames} of {len(times)} frames can be read. {error}"
    return stream.getvalue(), writer.num_frames, warning


def _scaled(rgb: Any, size: tuple[int, int]) -> Any:
    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def _facts(video: Video, plan: Plan | None = None, *, num_bytes: int = 0) -> dict[str, Any]:
    """Return the result of ``open``, for the bytes as they are."""
    return {
        "token": "offline",
        "delivery": "whole",
        "how": plan.how if plan else "direct",
        "mime": plan.mime if plan else "video/mp4",
        "num_bytes": num_bytes,
        "codec": title_of(video.codec),
        "why": plan.why if plan else "",
        "warning": "",
        "coded_width": video.width,
        "coded_height": video.height,
        "scaled": False,
        "has_audio": video.has_audio,
        "offset_seconds": 0.0,
        "end_seconds": video.end_seconds,
    }


# ---- the page --------------------------------------------------------------------------------


def _told(player: Player) -> dict[str, Any]:
    """Return the kernel's answers about predictions and overlays, as the page keeps them."""
    known = _truth_of(player)
    truth = known.in_frames(player.video) if known else []
    predictions = describe_predictions(
        player.predictions, player.comparison, top_k=player._top_k, truth=truth,
        language=player._language,
    )  # fmt: skip
    overlays = describe_overlays(
        player._boxes, player._bodies, player._curves, player._heat, language=player._language
    )
    return {"predictions": _answer(*predictions), "overlays": _answer(*overlays)}


def _truth_of(player: Player) -> Truth | None:
    """Return the truth; an annotator's segments are one."""
    return player._truth or (Truth(tuple(player._marked)) if player._marked else None)


def _answer(result: dict[str, Any], buffers: Sequence[bytes]) -> dict[str, Any]:
    return {"result": result, "buffers": [_base64(each) for each in buffers]}


def _kept(player: Player, told: dict[str, Any], movie: _Movie) -> str:
    """Return what the page's player is made from, as JSON that may stand in HTML."""
    video = player.video
    times = np.ascontiguousarray(video.pts_seconds[: movie.num_frames], dtype="<f8").tobytes()
    state = {name: getattr(player, name) for name in _TRAITS} | {"playing": False, "_link": None}
    state["_info"] = {**player._info, "has_truth": _truth_of(player) is not None}
    if movie.num_frames and player.frame_index >= movie.num_frames:
        state |= {"frame_index": 0, "time_seconds": video.start_seconds}
    answers = told | {
        "open": _answer(movie.facts, [times, b""]),
        "read": _answer({}, [movie.data]),
    }
    # "<" written as an escape: no text of a label or file ends the script early.
    return json.dumps({"state": state, "answers": answers}).replace("<", "\\u003c")


def document(
    body: str, players: Sequence[str], *, title: str, style: str, language: str = "en"
) -> str:
    """Return a page that needs nothing from elsewhere.

    Args:
        body: HTML, with an element ``player-0``, ``player-1`` … for each of the players.
        players: What `kept_player` returned.
        title: Text.
        style: CSS, after the player's own.
        language: Of the texts.
    """
    module = _base64(base.script("player.js").encode())
    kept = "\n".join(
        f'<script type="application/json" id="kept-{number}">{each}</script>'
        for number, each in enumerate(players)
    )
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data: blob:; \
media-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline' data:; \
require-trusted-types-for 'script'">
<title>{escape(title)} · vidlab</title>
<style>{base.style()}</style>
<style>{style}</style>
</head>
<body>
{body}
{kept}
<script type="module">
import {{ showOffline }} from "data:text/javascript;base64,{module}";
for (let number = 0; number < {len(players)}; number++) {{
  const kept = document.getElementById(`kept-${{number}}`);
  showOffline(document.getElementById(`player-${{number}}`), JSON.parse(kept.textContent));
  kept.remove();
}}
</script>
</body>
</html>
"""


def kept_player(player: Player, *, num_bytes: int, max_mb: float) -> str:
    """Return a player with its video, in at most `num_bytes`, for `document`.

    Args:
        player: The player.
        num_bytes: What is left of the page for it.
        max_mb: What the whole page may have, for the message.

    Raises:
        OptionError: It does not fit, however small its pictures.
    """
    return _fitted(player, num_bytes=num_bytes, max_mb=max_mb)[0]


def _fitted(player: Player, *, num_bytes: int, max_mb: float) -> tuple[str, _Movie]:
    told = _told(player)
    # The rest first: what it leaves is the video's. Base64 takes 4 bytes for 3.
    rest = len(_kept(player, told, _Movie(b"", player.video.num_frames, _facts(player.video))))
    movie = _movie(player, num_bytes=int((num_bytes - rest) * 3 / 4) - 1024, max_mb=max_mb)
    return _kept(player, told, movie), movie


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
