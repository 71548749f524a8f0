from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import synthetic
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as BrowserPage

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.report import write_report

HOSTILE = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Collects tags, addresses and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def comparison(tmp_path: Path) -> vl.Comparison:
    path = tmp_path / "a & <b>.mp4"
    synthetic.make_video(path, num_frames=60)
    video = vl.Video(path)
    frames = np.arange(0, 60, 6)
    labels = vl.LabelMap([HOSTILE, "ok", "other"])
    rng = np.random.default_rng(0)
    return vl.Comparison(
        [
            vl.Predictions(
                video=video.name, model="m", backend=backend, title=f"{backend}:m", labels=labels,
                frame_index=frames, time_seconds=video.pts_seconds[frames],
                logits=rng.normal(size=(10, 3)).astype(np.float32) * 4,
            )
            for backend in ("torch", "litert")
        ],
        video=video,
    )  # fmt: skip


def test_it_holds_pictures_and_tables_and_needs_nothing_else(
    comparison: vl.Comparison, tmp_path: Path
) -> None:
    path = write_report(comparison, tmp_path / "report.html")
    page = Page(path.read_text(encoding="utf-8"))
    assert "img" in page.tags
    assert "svg" in page.tags
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert page.tags.count("script") == 2  # the player's data, and the player
    for name in comparison.names:
        assert name in page.text
    assert path.stat().st_size < 1_500_000


def test_text_is_escaped(comparison: vl.Comparison, tmp_path: Path) -> None:
    html = write_report(comparison, tmp_path / "report.html").read_text(encoding="utf-8")
    assert HOSTILE not in html
    page = Page(html)
    assert "b" not in page.tags
    assert page.tags.count("script") == 2
    assert HOSTILE in page.text
    assert "a & <b>.mp4" in page.text


def test_a_name_that_is_no_utf8_is_escaped(comparison: vl.Comparison, tmp_path: Path) -> None:
    name = "caf\udce9.mp4"
    for each in comparison.predictions:
        each.video = name
    assert comparison.video is not None
    video = vl.Video(comparison.video.source, name=name)
    renamed = vl.Comparison(comparison.predictions, video=video)
    assert "on caf\\udce9.mp4: 10 frames" in repr(renamed)
    page = Page(write_report(renamed, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "caf\\udce9.mp4" in page.text


def test_labels_may_be_in_korean(comparison: vl.Comparison, tmp_path: Path) -> None:
    english = vl.LabelMap([HOSTILE, "carving ice", "waving hand"])
    said = [each._with(each.probabilities, labels=english) for each in comparison.predictions]
    both = vl.Comparison(said, video=comparison.video)
    assert len(both.disagreements())
    before = both.table
    pages = {}
    for language in (None, "ko"):
        path = both.report(tmp_path / f"{language}.html", labels=language)
        html = path.read_text(encoding="utf-8")
        assert HOSTILE not in html
        # What stands on the page by itself; scripts, the player among them, come last.
        pages[language] = Page(html.partition("<script")[0])
    for label in english:
        name = vl.translate_labels(label)
        counts = [pages[None].text.count(label), pages["ko"].text.count(name)]
        assert counts[0] == counts[1] > 2
        assert (label in pages["ko"].text) == (label == HOSTILE)
    assert pages["ko"].tags == pages[None].tags
    assert both.table.equals(before)
    with pytest.raises(OptionError, match="Did you mean 'ko'"):
        both.report(tmp_path / "kr.html", labels="kr")
    assert not (tmp_path / "kr.html").exists()


def test_it_does_without_a_video_or_frames(comparison: vl.Comparison, tmp_path: Path) -> None:
    without = vl.Comparison(comparison.predictions)
    page = Page(write_report(without, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "img" not in page.tags
    empty = [
        vl.Predictions(
            video="v", model="m", backend=backend, title=backend, labels=vl.LabelMap(["a"]),
            frame_index=np.empty(0), time_seconds=np.empty(0), logits=np.empty((0, 1)),
        )
        for backend in ("torch", "litert")
    ]  # fmt: skip
    write_report(vl.Comparison(empty), tmp_path / "empty.html")


def test_a_place_that_cannot_be_written_is_told(comparison: vl.Comparison, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="Cannot write"):
        write_report(comparison, tmp_path / "file" / "report.html")


@pytest.mark.parametrize("max_mb", [3.0, 0.6])
def test_it_is_no_larger_than_it_may_be(
    comparison: vl.Comparison, tmp_path: Path, max_mb: float
) -> None:
    path = comparison.report(tmp_path / "report.html", max_mb=max_mb)
    assert path.stat().st_size <= max_mb * 1e6


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("report.txt", {}, "is a .html file"),
        ("report.html", {"max_mb": 0}, "above 0"),
        ("report.html", {"max_mb": 0.05}, "does not fit"),
    ],
)
def test_wrong_options_leave_nothing_behind(
    comparison: vl.Comparison, tmp_path: Path, name: str, options: dict[str, float], message: str
) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OptionError, match=message):
        comparison.report(tmp_path / name, **options)
    assert sorted(tmp_path.iterdir()) == before


# ---- a study -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> vl.Study:
    """Two models on four clips of real files, one named to do harm."""
    folder = tmp_path_factory.mktemp("clips")
    for label in ("squat", "waving hand", "jumping jacks", "sitting down"):
        (folder / label).mkdir()
        source = vl.sample_videos()[label.replace(" ", "_")]
        name = "<img src=x onerror=alert(1)>.mp4" if label == "squat" else "a.mp4"
        (folder / label / name).symlink_to(source)
    models = {
        HOSTILE: vl.load_model("stickactions-xs-stream", backend="litert", variant="int8"),
        "float": vl.load_model("stickactions-xs-stream", backend="litert", variant="litert"),
    }
    return vl.evaluate(models, folder, progress=False)


def test_a_study_has_its_figures_and_charts(study: vl.Study, tmp_path: Path) -> None:
    path = study.report(tmp_path / "study.html")
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert HOSTILE not in html
    assert "<img src=x" not in html
    charts = [each for each in page.addresses if each.startswith("data:image/svg+xml;base64,")]
    assert len(charts) == 3
    pictures = [each for each in page.addresses if each.startswith("data:image/jpeg;base64,")]
    assert len(pictures) == 4
    within = [each for each in page.addresses if each.startswith("#")]
    assert len(charts) + len(pictures) + len(within) == len(page.addresses)
    row = study.table.iloc[0]
    for key in ("top1", "top1_low", "top1_high"):
        assert f"{100 * row[key]:.1f}" in page.text
    assert f"{row['ece']:.3f}" in page.text
    assert HOSTILE in page.text
    assert "onerror=alert(1)" in page.text  # as text


def test_the_same_study_gives_the_same_charts(study: vl.Study, tmp_path: Path) -> None:
    one, other = (
        Page(study.report(tmp_path / name).read_text(encoding="utf-8"))
        for name in ("a.html", "b.html")
    )
    assert one.addresses == other.addresses


# ---- in a browser --------------------------------------------------------------------------------


@pytest.mark.browser
def test_reports_open_from_disk_without_a_network(
    comparison: vl.Comparison, study: vl.Study, tmp_path: Path, chromium: Browser
) -> None:
    paths = [comparison.report(tmp_path / "one.html"), study.report(tmp_path / "two.html")]
    context = chromium.new_context(offline=True)
    for path in paths:
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on("dialog", lambda dialog, said=said: (said.append("alert"), dialog.dismiss()))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_load_state()
        broken = "each => each.filter((one) => !one.complete || !one.naturalWidth).length"
        expect(page.locator("img").first).to_be_visible()
        assert page.eval_on_selector_all("img", broken) == 0
        if path == paths[0]:
            _scrub(page)
        assert said == []
        assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
        page.close()
    context.close()


@pytest.mark.browser
def test_the_player_in_a_korean_report_is_korean_too(
    comparison: vl.Comparison, tmp_path: Path, chromium: Browser
) -> None:
    english = vl.LabelMap(["carving ice", "waving hand", HOSTILE])
    said = [each._with(each.probabilities, labels=english) for each in comparison.predictions]
    both = vl.Comparison(said, video=comparison.video)
    page = chromium.new_page()
    page.goto(both.report(tmp_path / "ko.html", labels="ko").as_uri())
    player = page.locator("#player-0 .vidlab-player")
    expect(player).to_have_attribute("data-frame", "0", timeout=15_000)
    for label in english[:2]:
        expect(page.get_by_text(vl.translate_labels(label)).first).to_be_visible()
        expect(page.locator("body")).not_to_contain_text(label)
    expect(player).to_contain_text(vl.translate_labels(both.table["label_torch"].iloc[0]))
    page.close()


def _scrub(page: BrowserPage) -> None:
    """Click along the timeline, and step; the frame follows."""
    player = page.locator("#player-0 .vidlab-player")
    expect(player).to_have_attribute("data-frame", "0", timeout=15_000)
    timeline = player.get_by_role("slider").last
    box = timeline.bounding_box()
    assert box is not None
    seen = []
    for share in (0.3, 0.6, 0.9):
        before = player.get_attribute("data-frame") or ""
        page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        expect(player).not_to_have_attribute("data-frame", before)
        seen.append(int(player.get_attribute("data-frame") or "-1"))
    assert seen == sorted(set(seen))
    player.focus()
    page.keyboard.press(".")
    expect(player).to_have_attribute("data-frame", str(seen[-1] + 1))
