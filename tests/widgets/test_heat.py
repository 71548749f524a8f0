"""Heat maps in the player: which, when, where, and in which colours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_heat import WAYS, square_map

import vidlab as vl
from vidlab.attribution import Heatmap
from vidlab.core.errors import OptionError
from vidlab.core.palette import SHARE_COLORS
from vidlab.widgets.heat import SIGNED_COLORS, ramp, read_heatmaps, upright
from vidlab.widgets.kept import kept_html
from vidlab.widgets.payload import describe_overlays

PLACE, SIDE = (80, 60), 24


@pytest.fixture(params=["mp4", "rotated-90"])
def either_way(request: pytest.FixtureRequest, spelled: Callable[..., Path]) -> vl.Video:
    """A video stored as it is displayed, and one that is turned."""
    return vl.Video(spelled(request.param))


@pytest.fixture
def video(spelled: Callable[..., Path]) -> vl.Video:
    return vl.Video(spelled("mp4"))


def shades(video: vl.Video, **options: Any) -> np.ndarray:
    """Return what is drawn of maps that cover all, over frame 0, without legend and picture."""
    player = vl.Player(video, overlay="heat", **options)
    player.heatmap_opacity = 1.0
    layer = player._heat_shown
    assert layer is not None
    heatmap = layer.map_at(0)
    assert heatmap is not None
    return np.asarray(layer.picture_of(heatmap, (video.width, video.height), 1.0), dtype=np.int16)


def is_color(picture: np.ndarray, color: str) -> np.ndarray:
    return np.abs(picture[..., :3] - list(bytes.fromhex(color[1:]))).max(axis=-1) <= 3


# ---- where -----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_the_square_is_hot_where_it_is_displayed(either_way: vl.Video, way: str) -> None:
    found = shades(either_way, heatmaps=square_map(either_way, WAYS[way]))
    rows, columns = np.nonzero(is_color(found, SHARE_COLORS[-1]) & (found[..., 3] == 255))
    # An input px is at most 8 px of the frame.
    assert columns.mean() + 0.5 == pytest.approx(PLACE[0], abs=4)
    assert rows.mean() + 0.5 == pytest.approx(PLACE[1], abs=4)
    assert SIDE**2 / 8 < len(rows) < SIDE**2 * 1.5


@pytest.mark.parametrize("way", WAYS)
def test_the_page_is_told_the_same_place(either_way: vl.Video, way: str) -> None:
    heatmap = square_map(either_way, WAYS[way])
    values, (left, top, width, height) = upright(heatmap)
    rows, columns = values.shape
    y, x = np.unravel_index(values.argmax(), values.shape)
    cell = width / columns, height / rows
    # The hottest cell has its middle in the square, or within a cell of it.
    assert abs(left + (x + 0.5) * cell[0] - PLACE[0]) < SIDE / 2 + cell[0]
    assert abs(top + (y + 0.5) * cell[1] - PLACE[1]) < SIDE / 2 + cell[1]
    # What lies within the rectangle is what the model saw, and nothing else.
    seen = np.isfinite(heatmap.on_frame(either_way.height, either_way.width))
    across, down = np.arange(either_way.width) + 0.5, np.arange(either_way.height) + 0.5
    inside = (top <= down)[:, None] & (down < top + height)[:, None]
    inside = inside & (left <= across) & (across < left + width)
    np.testing.assert_array_equal(inside, seen)


def test_what_the_model_did_not_see_is_not_covered(video: vl.Video) -> None:
    found = shades(video, heatmaps=square_map(video, WAYS["centre crop"]))
    assert (found[:, :40, 3] == 0).all()
    assert (found[:, 96, 3] == 255).all()


def test_a_snapshot_has_it_as_the_map_itself_draws_it(video: vl.Video) -> None:
    heatmap = square_map(video, WAYS["centre crop"])
    player = vl.Player(video, heatmaps=heatmap, overlay="heat")
    for opacity in (0.5, 0.2):
        player.heatmap_opacity = opacity
        drawn = np.asarray(player.snapshot(0), dtype=np.int16)
        wanted = heatmap.overlay(video.frame_at(0).rgb, alpha=opacity).astype(np.int16)
        legend = np.s_[video.height - 50 :, :]
        drawn[legend] = wanted[legend] = 0
        assert np.abs(drawn - wanted).max() <= 3  # of 256 steps of colour, and of opacity


# ---- when ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "shown"),
    [
        ([3], {3: 3}),
        ([None], {0: None, 59: None}),
        ([4, 8, 12], {3: "no", 4: 4, 7: 4, 8: 8, 15: 12, 16: "no"}),
        ([20, 4, 8, 12], {8: 8, 15: 12, 16: "no", 20: 20, 23: 20, 24: "no"}),
    ],
)
def test_a_map_holds_until_the_next_for_at_most_the_usual_step(
    video: vl.Video, frames: list[int | None], shown: dict[int, Any]
) -> None:
    (layer,) = read_heatmaps(
        [square_map(video, frame_index=each) for each in frames],
        height_px=video.height, width_px=video.width,
    )  # fmt: skip
    for frame, wanted in shown.items():
        found = layer.map_at(frame)
        assert ("no" if found is None else found.frame_index) == wanted


def test_without_a_map_a_frame_stays_as_it_is(video: vl.Video) -> None:
    player = vl.Player(video, heatmaps=square_map(video, frame_index=3), overlay="heat")
    for frame, is_drawn in ((2, False), (3, True), (4, False)):
        plain = np.asarray(player.snapshot(frame, overlay=False))
        assert (np.asarray(player.snapshot(frame)) != plain).any() == is_drawn


# ---- in which colours ------------------------------------------------------------------------


def oklab(color: str) -> np.ndarray:
    """Ottosson, "A perceptual color space for image processing" (2020)."""
    rgb = np.array(list(bytes.fromhex(color[1:]))) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    opponents = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(opponents) @ np.cbrt(np.array(cones) @ linear)


def test_steps_between_the_colours_of_signed_maps_look_alike() -> None:
    places = np.array([oklab(each) for each in SIGNED_COLORS])
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert steps == pytest.approx(steps.mean(), rel=0.02)
    # As light at both ends, and lighter from step to step: read without colour, too.
    assert places[:, 0] == pytest.approx(places[::-1, 0], abs=0.01)
    assert (np.diff(places[3:, 0]) > 0.1).all()
    # Blue against yellow, which people with any colour vision tell apart.
    assert places[0, 2] < -0.08
    assert places[-1, 2] > 0.08


def test_negative_values_have_colours_of_their_own(video: vl.Video) -> None:
    heatmap = square_map(video, what="drop of probability", top=0.5)
    negative = square_map(video, values=-heatmap.values, top=0.0)
    (layer,) = read_heatmaps(negative, height_px=video.height, width_px=video.width)
    assert layer.is_signed
    assert (layer.least, layer.limit) == (-1.0, 1.0)
    found = shades(video, heatmaps=negative)
    assert is_color(found[PLACE[1], PLACE[0]], SIGNED_COLORS[0])
    assert is_color(found[140, 180], SIGNED_COLORS[3])


def test_all_maps_of_a_name_have_one_scale(video: vl.Video) -> None:
    maps = [square_map(video, frame_index=frame, top=top) for frame, top in ((0, 2.0), (1, 4.0))]
    assert is_color(shades(video, heatmaps=maps)[PLACE[1], PLACE[0]], ramp_color(0.25))
    nothing = square_map(video, values=np.zeros((4, 4), np.float32), top=0.0)
    assert is_color(shades(video, heatmaps=nothing), SHARE_COLORS[0]).all()


def ramp_color(share: float) -> str:
    return "#" + bytes(ramp(SHARE_COLORS)[round(255 * share)].tolist()).hex()


# ---- which -----------------------------------------------------------------------------------


def test_one_of_several_names_is_chosen(video: vl.Video, tmp_path: Path) -> None:
    several = {"left": square_map(video, place_px=(40, 60)), "right": [square_map(video)]}
    player = vl.Player(video, heatmaps=several, overlay=["heat"])
    assert player.heatmap_shown == "left"
    assert player._info["heatmaps"] == [
        {"name": "left", "shown": "left"}, {"name": "right", "shown": "right"},
    ]  # fmt: skip
    left = np.asarray(player.snapshot(0), dtype=np.int16)
    player.heatmap_shown = "right"
    right = np.asarray(player.snapshot(0), dtype=np.int16)
    assert left[60, 40, 1] > right[60, 40, 1]
    assert left[60, 80, 1] < right[60, 80, 1]
    made = vl.Video(player.export(tmp_path / "out.mp4", progress=False, stop=1)).frame_at(0).rgb
    assert np.abs(made.astype(np.int16) - right).mean() < 6
    for name, value in (("heatmap_shown", "rigth"), ("heatmap_opacity", 1.5)):
        with pytest.raises(OptionError, match=r"Did you mean 'right'\?|from 0 to 1"):
            setattr(player, name, value)
    assert (player.heatmap_shown, player.heatmap_opacity) == ("right", 0.5)
    with pytest.raises(OptionError, match="there are none"):
        vl.Player(video).heatmap_shown = "left"


def given_wrongly(video: vl.Video) -> list[tuple[Any, str]]:
    first = square_map(video)
    return [
        ([], "got \\[\\]"),
        ({}, "holds none"),
        ("heat", "must be what vidlab.attribution.grad_cam"),
        ([first.values], "must be what"),
        ({"one": [first], "two": None}, "got None"),
        ([first, square_map(video)], "by name"),
        ([square_map(video, frame_index=None), square_map(video, frame_index=4)], "by name"),
        (square_map(video, frame_size_px=(64, 96)), "96x64 px, the video has 192x144"),
    ]


@pytest.mark.parametrize("number", range(8))
def test_what_is_no_heat_map_is_refused(video: vl.Video, number: int) -> None:
    given, said = given_wrongly(video)[number]
    with pytest.raises(OptionError, match=said):
        vl.Player(video, heatmaps=given)


def test_without_maps_there_is_nothing_to_draw(video: vl.Video) -> None:
    with pytest.raises(OptionError, match="made without heatmaps="):
        vl.Player(video, overlay="heat")
    assert vl.Player(video, heatmaps=square_map(video)).overlay == []


# ---- what the page gets, and what stays ------------------------------------------------------


def test_grids_are_sent_as_steps(video: vl.Video) -> None:
    maps: list[Heatmap] = [
        square_map(video, WAYS["mirrored"], frame_index=5),
        square_map(video, frame_index=0, label="zumba"),
    ]
    layers = read_heatmaps({"mine": maps}, height_px=video.height, width_px=video.width)
    told, (frames, grids) = describe_overlays(None, None, (), layers, language="ko")
    (layer,) = told["heat"]
    json.dumps(told)
    assert np.frombuffer(frames, "<i4").tolist() == [0, 5]
    assert layer["hold"] == 5
    assert [each["label"] for each in layer["maps"]] == ["줌바 댄스 추기", "얼음 조각하기"]
    assert [(each["rows"], each["columns"]) for each in layer["maps"]] == [(24, 24), (24, 32)]
    steps = np.frombuffer(grids, np.uint8)[24 * 24 :].reshape(24, 32)
    np.testing.assert_array_equal(steps, np.rint(255 * maps[0].values[:, ::-1]))
    assert layer["maps"][1]["xywh"] == pytest.approx((0, 0, video.width, video.height))


def test_what_stays_of_a_player_shows_it(video: vl.Video, tmp_path: Path) -> None:
    maps = square_map(video, frame_index=None)
    shown = kept_html(vl.Player(video, heatmaps=maps, overlay="heat"))
    assert shown != kept_html(vl.Player(video, heatmaps=maps))
    player = vl.Player(video, heatmaps={"squares": maps}, overlay="heat")
    player.heatmap_opacity = 0.7
    page = player.save_html(tmp_path / "page.html").read_text(encoding="utf-8")
    state = json.loads(page.partition('id="kept-0">')[2].partition("</script>")[0])
    assert state["state"]["heatmap_opacity"] == 0.7
    assert state["state"]["heatmap_shown"] == "squares"
    (layer,) = state["answers"]["overlays"]["result"]["heat"]
    assert layer["name"] == "squares"


def test_pictures_too_small_for_the_legend_are_drawn(spelled: Callable[..., Path]) -> None:
    video = vl.Video(spelled("mp4", size=(96, 64)))
    heatmap = square_map(video, place_px=(40, 30), label="a label that goes on and on")
    picture = vl.Player(video, heatmaps=heatmap, overlay="heat").snapshot(0, width_px=16)
    assert picture.size == (16, 11)
