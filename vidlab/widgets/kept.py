"""What stays of a widget in a saved notebook: pictures and tables that need no kernel.

It is an output of its own, beside the live widget, which hides it. Notebook viewers take styles,
scripts and drawings out of outputs they do not trust, so everything to be seen is a picture as a
``data:`` address with an alternative text, or a plain table.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from vidlab.core.console import display_bundle
from vidlab.core.errors import VideoError
from vidlab.core.fonts import font_for
from vidlab.core.images import data_url, jpeg
from vidlab.core.label_names import translated
from vidlab.core.naming import printable
from vidlab.core.palette import PALETTE, ink_on
from vidlab.core.times import clock
from vidlab.video.posters import Poster, posters
from vidlab.widgets.drawing import Overlays, as_rgb
from vidlab.widgets.payload import letter_of, top_classes

if TYPE_CHECKING:
    from vidlab.predictions import Predictions
    from vidlab.widgets.base import Widget
    from vidlab.widgets.explorer import Explorer
    from vidlab.widgets.gallery import Gallery
    from vidlab.widgets.live import Live
    from vidlab.widgets.player import Player
    from vidlab.widgets.quiz_widget import Quiz
    from vidlab.widgets.sampling_view import SamplingView

_NUM_POSTERS = 8
_POSTER_HEIGHT_PX = 90
_POSTER_WIDTH_PX = 240
_NUM_LABELS_LISTED = 8
_NUM_TOP = 3

# In a notebook opened again there is no widget, and Jupyter's words for that ("Loading widget...",
# "model not found") would stand above the copy, for good. Where notebooks are not trusted, styles
# are taken out, and what stands there is the player in one line.
_STYLE = """<style>
.jp-OutputArea-child:has(+ .jp-OutputArea-child [data-vidlab-kept]):not(
  :has(> .jp-OutputArea-output *), :has(> [data-mime-type])) { display: none; }
</style>"""

_TEXTS = {
    "en": {
        "about": "{name}, {width} × {height} px. Run the cell to play it.",
        "strip": "Frame at {time}",
        "timeline": "Timeline: {rows}",
        "truth": "truth",
        "marked": "marked",
        "marked_in": "What is marked is in {file}. Run the cell to go on.",
        "divergence": "divergence",
        "time": "time",
        "model": "model",
        "top": "top labels and their probabilities",
        "more": "and {count} more",
        "unknown": "No model has a label {labels}: the truth counts for nothing there.",
        "nothing": "No predictions yet: vidlab.Player(video, vidlab.predict(video, model))",
        "live": "Live: {models} on {source}. Run the cell to go on.",
        "recorded": "What was recorded is kept, whatever became of it: vl.Recording({folder})",
        "unrecorded": "Nothing was recorded: record= was not given.",
        "quiz": "Quiz, clips: {num}. Run the cell to answer them.",
        "answers": "Every committed answer is kept, whatever became of the kernel: {file}",
        "no_answers": "Answers were kept in no file: scores= was not given.",
        "sampling": "Sampling lab: {title} on {video}. Run the cell to choose settings.",
        "settings": "Settings that say “{label}”, as the default one does: {count} of {num}.",
        "gallery": "Gallery, clips: {num:,}. Run the cell to see them.",
        "explorer": "Explorer, clips: {num:,}. Run the cell to see and open them.",
        "models": "Models: {models}",
    },
    "ko": {
        "about": "{name}, {width} × {height} px. 재생하려면 셀을 실행하세요.",
        "strip": "{time}의 프레임",
        "timeline": "타임라인: {rows}",
        "truth": "정답",
        "marked": "표시",
        "marked_in": "표시한 구간은 {file}에 있습니다. 이어서 하려면 셀을 실행하세요.",
        "divergence": "모델 간 차이",
        "time": "시간",
        "model": "모델",
        "top": "상위 레이블과 확률",
        "more": "외 {count}개",
        "unknown": "{labels} 레이블을 아는 모델이 없어, 그 구간의 정답은 세지 않습니다.",
        "nothing": "아직 예측이 없습니다: vidlab.Player(video, vidlab.predict(video, model))",
        "live": "실시간: {source}, {models}. 이어서 하려면 셀을 실행하세요.",
        "recorded": "기록한 것은 커널이 종료되었어도 남아 있습니다: vl.Recording({folder})",
        "unrecorded": "기록하지 않았습니다(record= 없음).",
        "quiz": "퀴즈: 클립 {num}개. 풀려면 셀을 실행하세요.",
        "answers": "제출한 답은 커널이 종료되었어도 남아 있습니다: {file}",
        "no_answers": "답을 파일에 저장하지 않았습니다(scores= 없음).",
        "sampling": "샘플링 실험실: {video}에 대한 {title}. 설정을 고르려면 셀을 실행하세요.",
        "settings": "설정 {num}개 중 {count}개의 답이 기본 설정과 같은 “{label}”입니다.",
        "gallery": "갤러리: 클립 {num:,}개. 보려면 셀을 실행하세요.",
        "explorer": "탐색기: 클립 {num:,}개. 열어 보려면 셀을 실행하세요.",
        "models": "모델: {models}",
    },
}


def display_with_copy(shown: Any, players: Sequence[Player]) -> None:
    """Display a widget, and beside it what is kept of its players.

    Args:
        shown: What goes on the page: a player, or a box of players.
        players: The players in it.
    """
    # The widget first: the page can start while the copy is made.
    if not _display_widget(shown):
        return
    for player in players:
        player._show_poster()
    _leave("\n".join(map(kept_html, players)))


def display_with_words(shown: Any, words: Callable[[Any], str]) -> None:
    """Display a widget, and beside it words that stay where it cannot be.

    Args:
        shown: The widget.
        words: Makes their HTML, once the widget is on the page.
    """
    if _display_widget(shown):
        _leave(words(shown))


def _leave(html: str) -> None:
    display_bundle({"text/html": f"{_STYLE}\n{html}"})


def _display_widget(shown: Any) -> bool:
    """Display a widget alone; return whether there was anything to display."""
    bundle = shown._repr_mimebundle_()
    if bundle is None:
        return False
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    display_bundle(data, metadata=metadata)
    return True


def kept_live_html(live: Live) -> str:
    """Return what a live widget was about, and where its recording is, as HTML without scripts."""
    texts = _TEXTS[live.locale or "en"]
    about = texts["live"].format(models=", ".join(live._info["models"]), source=live._info["name"])
    folder = live._info["recording"]
    kept = texts["recorded"].format(folder=folder) if folder else texts["unrecorded"]
    return _words_html(live, about, kept)


def kept_quiz_html(quiz: Quiz) -> str:
    """Return how long a quiz is and where answers are kept, which tells none of them."""
    texts = _TEXTS[quiz.locale or "en"]
    file = quiz._scores.path
    answers = texts["answers"].format(file=file) if file else texts["no_answers"]
    return _words_html(quiz, texts["quiz"].format(num=quiz._info["num"]), answers)


def kept_sampling_html(view: SamplingView) -> str:
    """Return what a sampling view is of, and how many settings say what the default one says."""
    texts, info = _TEXTS[view.locale or "en"], view._info
    said = [each["top"][0] for each in info["settings"]]
    about = texts["sampling"].format(title=info["title"], video=info["video"])
    settings = texts["settings"].format(
        label=info["labels"][said[0]]["name"], count=said.count(said[0]), num=len(said)
    )
    return _words_html(view, about, settings)


def kept_gallery_html(gallery: Gallery) -> str:
    """Return how many clips a gallery shows, and of which models it has answers."""
    return _clips_html(gallery, "gallery", gallery._model_names)


def kept_explorer_html(explorer: Explorer) -> str:
    """Return how many clips an explorer shows, and of which models."""
    # The page hides it while the gallery in it is there.
    return _clips_html(explorer.gallery, "explorer", explorer._model_names)


def _clips_html(gallery: Gallery, what: str, models: Sequence[str]) -> str:
    texts = _TEXTS[gallery.locale or "en"]
    words = [texts[what].format(num=gallery._info["num_rows"])]
    if models:
        words.append(texts["models"].format(models=", ".join(models)))
    return _words_html(gallery, *words)


def _words_html(widget: Widget, *paragraphs: str) -> str:
    words = "".join(f"<p>{escape(each)}</p>" for each in paragraphs)
    return f'<div data-vidlab-kept="{escape(widget.model_id or "")}">\n{words}\n</div>'


def kept_html(player: Player) -> str:
    """Return a player's picture strip, timeline and table as HTML without scripts and styles.

    The page hides it, by the id in ``data-vidlab-kept``, while the player itself is there.
    """
    texts = _TEXTS[player.locale or "en"]
    try:
        pictures = posters(player.video, _NUM_POSTERS, height_px=_height(player))
    except VideoError:
        pictures = []  # the file has gone; what was said about it still counts
    about = texts["about"].format(
        name=printable(player.video.name), width=player.video.width, height=player.video.height
    )
    strip = "".join(
        f'<img alt="{escape(texts["strip"].format(time=clock(each.time_seconds)))}" '
        f'title="{clock(each.time_seconds)}" '
        f'src="{data_url(jpeg(_drawn(player, each), quality=70))}">\n'
        for each in pictures
    )
    parts = [f"<p>{escape(about)}</p>", f"<p>{strip}</p>"]
    rows = _rows_of(player, texts)
    if rows:
        parts += [_timeline_html(player, rows, texts), _table_html(player, pictures, texts)]
    if player._marked_in:
        parts.append(f"<p>{escape(texts['marked_in'].format(file=player._marked_in))}</p>")
    elif not rows and not player._drawable:
        parts.append(f"<p>{escape(texts['nothing'])}</p>")
    body = "\n".join(parts)
    return f'<div data-vidlab-kept="{escape(player.model_id or "")}">\n{body}\n</div>'


def _drawn(player: Player, poster: Poster) -> NDArray[np.uint8]:
    """Return a picture of the strip with what lies on the people and things in it."""
    names = [each for each in player.overlay if each in ("boxes", "keypoints", "heat")]
    if not names:
        return poster.rgb
    overlays = Overlays(
        [], top_k=1, boxes=player._boxes, bodies=player._bodies,
        heat=player._heat_shown, heat_opacity=player.heatmap_opacity,
        keypoint_color=player.keypoint_color, size=(player.video.width, player.video.height),
        has_legend=False, language=player._language,
    )  # fmt: skip
    index = player.video.index_at_time(poster.time_seconds)
    return as_rgb(overlays.draw(Image.fromarray(poster.rgb), index, names))


def _height(player: Player) -> int:
    # A very wide picture would fill the notebook.
    fitting = _POSTER_WIDTH_PX * player.video.height // player.video.width
    return max(8, min(_POSTER_HEIGHT_PX, fitting))


# ---- the timeline ----------------------------------------------------------------------------

_WIDTH_PX, _BAND_PX, _GAP_PX, _MARGIN_PX, _CURVE_PX = 960, 22, 4, 24, 40
# A segment at least so wide has its letter on it.
_ROOM_FOR_LETTER_PX = 18
# No ground of its own, and greys that are seen on a light and on a dark one.
_CLEAR, _GREY, _PLATE = (255, 255, 255, 0), "#808080", "#57606a"

#: A band: its letter, its name, and the segments (start_seconds, end_seconds, label) in it.
_Row = tuple[str, str, list[tuple[float, float, str]]]


def _rows_of(player: Player, texts: dict[str, str]) -> list[_Row]:
    rows: list[_Row] = []
    if player._truth is not None:
        rows.append(("=", texts["truth"], list(player._truth.segments)))
    if player._marked:
        rows.append(("+", texts["marked"], list(player._marked)))
    for number, (name, each) in enumerate(zip(player.model_names, player.predictions, strict=True)):
        rows.append((letter_of(number), name, _stretches(each)))
    return rows


def _stretches(predictions: Predictions) -> list[tuple[float, float, str]]:
    """Return the stretches with one top label; an answer holds until the next one."""
    if not len(predictions):
        return []
    ids = top_classes(predictions, 1)[0][:, 0]
    times = predictions.time_seconds
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    edges = np.flatnonzero(np.diff(ids, prepend=-2))
    ends = np.append(times[edges[1:]], times[-1] + step)
    return [
        (float(times[edge]), float(end), predictions.labels[int(ids[edge])])
        for edge, end in zip(edges, ends, strict=True)
        if ids[edge] >= 0
    ]


def _timeline_html(player: Player, rows: Sequence[_Row], texts: dict[str, str]) -> str:
    labels = _labels_by_time(player, rows)
    names = ", ".join(f"{letter} {name}" for letter, name, _ in rows)
    if player.comparison is not None:
        names += f", {texts['divergence']}"
    alt = escape(texts["timeline"].format(rows=names))
    language = player._language
    listed = [
        f"{PALETTE.letter_of(label).lower()} {translated(label, language)}" for label in labels
    ]
    more = len(listed) - _NUM_LABELS_LISTED
    legend = "".join(
        f'<img alt="" src="{_swatch(label)}"> {escape(text)} &nbsp; '
        for label, text in zip(labels, listed[:_NUM_LABELS_LISTED], strict=False)
    )
    if more > 0:
        legend += escape(texts["more"].format(count=more))
    truth = player._truth.labels if player._truth is not None else ()
    unknown = [
        repr(translated(label, language)) for label in truth
        if player.predictions and not any(label in each.labels for each in player.predictions)
    ]  # fmt: skip
    if unknown:
        legend += f"<br>⚠ {escape(texts['unknown'].format(labels=', '.join(unknown)))}"
    picture = data_url(_png(draw_timeline(player, rows)), mime="image/png")
    return f'<p><img alt="{alt}" src="{picture}"></p>\n<p>{escape(names)}<br>{legend}</p>'


def _labels_by_time(player: Player, rows: Sequence[_Row]) -> list[str]:
    begin, end = _span(player, rows)
    seconds: dict[str, float] = {}
    for _, _, segments in rows:
        for start, stop, label in segments:
            seconds[label] = seconds.get(label, 0.0) + min(stop, end) - max(start, begin)
    return sorted(seconds, key=lambda label: -seconds[label])


def _span(player: Player, rows: Sequence[_Row]) -> tuple[float, float]:
    video = player.video
    begin = video.start_seconds
    if video.is_indexed:
        return begin, video.end_seconds
    known = [stop for _, _, segments in rows for _, stop, _ in segments if np.isfinite(stop)]
    return begin, max([begin + (video.stated_duration_seconds or 0.001), *known])


def draw_timeline(player: Player, rows: Sequence[_Row]) -> Image.Image:
    """Draw one band a row, coloured by label, and how far the models part below."""
    comparison = player.comparison
    curve = _CURVE_PX + _GAP_PX if comparison is not None else 0
    height = len(rows) * (_BAND_PX + _GAP_PX) + curve + 16
    image = Image.new("RGBA", (_WIDTH_PX, height), _CLEAR)
    draw = ImageDraw.Draw(image)
    begin, end = _span(player, rows)
    scale = (_WIDTH_PX - _MARGIN_PX) / max(end - begin, 1e-9)

    def place(seconds: Any) -> NDArray[np.float64]:
        return np.asarray(_MARGIN_PX + (np.clip(seconds, begin, end) - begin) * scale)

    font = font_for("A", 13)
    for number, (letter, _, segments) in enumerate(rows):
        top = number * (_BAND_PX + _GAP_PX)
        if segments:
            starts, stops, labels = zip(*segments, strict=True)
            left, right = place(np.array(starts)), place(np.array(stops))
            image.paste(_band(left, right, labels), (0, top))
            for which in np.flatnonzero(right - left > _ROOM_FOR_LETTER_PX):
                label = labels[which]
                where = (float(left[which] + right[which]) / 2, top + _BAND_PX / 2)
                ink = ink_on(PALETTE.color_of(label))
                draw.text(where, PALETTE.letter_of(label).lower(), ink, font, anchor="mm")
        draw.rounded_rectangle((2, top + 2, 19, top + _BAND_PX - 3), 3, _PLATE)
        draw.text((11, top + _BAND_PX / 2), letter, "white", font, anchor="mm")
    if comparison is not None:
        base = height - 18
        columns = _highest_per_column(place(comparison.time_seconds), comparison.divergence)
        tallest = max(float(np.log(len(comparison.predictions))), 1e-9)
        for column in np.flatnonzero(columns > 0):
            tall = columns[column] / tallest * _CURVE_PX
            draw.line((int(column), base - tall, int(column), base), _GREY)
        draw.line((_MARGIN_PX, base, _WIDTH_PX, base), _GREY)
    small = font_for("0", 12)
    for seconds, is_first in ((begin, True), (end, False)):
        wide = round(small.getlength(clock(seconds))) + 8
        edge = _MARGIN_PX if is_first else _WIDTH_PX - wide
        draw.rounded_rectangle((edge, height - 16, edge + wide - 1, height - 1), 3, _PLATE)
        draw.text((edge + 4, height - 4), clock(seconds), "white", small, anchor="ls")
    return image


def _band(
    left: NDArray[np.float64], right: NDArray[np.float64], labels: Sequence[str]
) -> Image.Image:
    """Draw segments as coloured columns; one narrower than a column still gets one."""
    names, number = np.unique(np.array(labels), return_inverse=True)
    inks = [ImageColor.getrgb(PALETTE.color_of(str(name))) for name in names]
    colors = np.array([*((*ink, 255) for ink in inks), _CLEAR], dtype=np.uint8)
    middles = np.arange(_WIDTH_PX) + 0.5
    which = np.searchsorted(left, middles, side="right") - 1
    columns = np.where((which >= 0) & (middles < right[which]), number[which], len(names))
    columns[np.minimum(left.astype(int), _WIDTH_PX - 1)] = number
    return Image.fromarray(np.repeat(colors[columns][None], _BAND_PX, axis=0))


def _highest_per_column(
    places: NDArray[np.float64], values: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the highest value in each pixel column; a value holds until the next one."""
    columns = np.zeros(_WIDTH_PX)
    if len(places):
        last = len(places) - 1
        at = np.searchsorted(places, np.arange(_WIDTH_PX), side="right") - 1
        shown = at >= 0
        columns[shown] = values[np.minimum(at[shown], last)]
        np.maximum.at(columns, np.minimum(places.astype(int), _WIDTH_PX - 1), values)
    return columns


def _swatch(label: str) -> str:
    return data_url(_png(Image.new("RGB", (12, 12), PALETTE.color_of(label))), mime="image/png")


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


# ---- the table -------------------------------------------------------------------------------


def _table_html(player: Player, pictures: Sequence[Poster], texts: dict[str, str]) -> str:
    """Return what each model said at the moments of the pictures."""
    head = "".join(f"<th>{escape(texts[key])}</th>" for key in ("time", "model", "top"))
    lines = []
    for moment in [each.time_seconds for each in pictures]:
        for name, each in zip(player.model_names, player.predictions, strict=True):
            said = _said_at(each, moment, player._language)
            lines.append(
                f"<tr><td>{clock(moment)}</td><td>{escape(name)}</td><td>{escape(said)}</td></tr>"
            )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _said_at(predictions: Predictions, seconds: float, language: str) -> str:
    row = int(np.searchsorted(predictions.time_seconds, seconds + 1e-6, side="right")) - 1
    if row < 0:
        return "–"
    ids = predictions.selection.class_ids(predictions.labels)
    values = predictions.probabilities[row, ids]
    best = np.argsort(-values, kind="stable")[:_NUM_TOP]
    names = [translated(predictions.labels[int(ids[at])], language) for at in best]
    return ", ".join(f"{name} {values[at]:.3f}" for name, at in zip(names, best, strict=True))
