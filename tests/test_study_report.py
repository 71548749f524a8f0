"""A study's report: its players, matrices and size, and what it does in a browser from disk."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser_harness import barriers
from playwright.sync_api import Browser, Locator, Page, expect

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.core.label_names import translated
from vidlab.evaluation import Cost, Evaluation

HOSTILE = "\"a\" & <img src=x onerror=alert(1)> 'b'"
LABELS = vl.LabelMap(["squat", "waving hand", "<script>alert(2)</script>", "jumping jacks"])


def made(clips: pd.DataFrame, said: list[int], *, seed: int) -> Evaluation:
    """Answers of a model that says so at the ends of clips, and anything on the way."""
    rng = np.random.default_rng(seed)
    probabilities = np.full((len(clips), len(LABELS)), 0.05, np.float32)
    probabilities[np.arange(len(clips)), said] = 0.85
    spans = (clips["end_seconds"] - clips["start_seconds"]).to_numpy()
    answers = [
        (clip, seconds, int(rng.integers(len(LABELS))), float(rng.uniform(0.5, 1.0)))
        for clip, span in enumerate(spans)
        for seconds in np.arange(0.0, span, 0.2)
    ]
    columns = ["clip", "elapsed_seconds", "class_id", "probability"]
    return Evaluation(
        clips,
        probabilities,
        labels=LABELS,
        title=f"model {seed}",
        answers=pd.DataFrame(answers, columns=columns),
        cost=Cost(ms_per_frame=1.0 + seed, size_mb=1.0, num_threads=1, runtime="none"),
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> vl.Study:
    """Two models on 24 clips: two whole videos, one named to do harm, and parts of them."""
    folder = tmp_path_factory.mktemp("clips")
    samples = vl.sample_videos()
    paths = [folder / f"{HOSTILE}.mp4", folder / "plain.mp4"]
    paths[0].symlink_to(samples["squat"])
    paths[1].symlink_to(samples["waving_hand"])
    rows = []
    for path, label in zip(paths, ["squat", "waving hand"], strict=True):
        with vl.Video(path) as video:
            rows.append((str(path), video.start_seconds, video.end_seconds, label))
        rows += [(str(path), start / 10, start / 10 + 0.5, label) for start in range(11)]
    clips = pd.DataFrame(rows, columns=["video", "start_seconds", "end_seconds", "label"])
    truth = [LABELS.id_of(label) for label in clips["label"]]
    off = [2 if number % 6 == 1 else each for number, each in enumerate(truth)]
    return vl.Study(
        {"right & <b>good</b>": made(clips, truth, seed=0), "off": made(clips, off, seed=1)}
    )


class Parsed(HTMLParser):
    """Collects tags with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def having(self, name: str) -> list[dict[str, str]]:
        return [attributes for _, attributes in self.tags if name in attributes]


def parsed(path: Path) -> Parsed:
    return Parsed(path.read_text(encoding="utf-8"))


def test_every_number_of_a_matrix_leads_to_its_clips(study: vl.Study, tmp_path: Path) -> None:
    page = parsed(study.report(tmp_path / "report.html"))
    rows = {each["id"]: each["data-cells"].split(",") for each in page.having("data-cells")}
    assert list(rows) == [f"clip-{number}" for number in range(len(study))]
    links = page.having("data-cell")
    seen = set()
    for link in links:
        assert link["data-cell"] in rows[link["href"].removeprefix("#")]
        model, truth, said = map(int, link["data-cell"].split("-"))
        each = study.evaluations[study.names[model]]
        count = each.confusion.loc[LABELS[truth], LABELS[said]]
        assert sum(link["data-cell"] in cells for cells in rows.values()) == count
        assert f", {count} of " in link["title"]
        seen.add(link["data-cell"])
    cells = sum(int((each.confusion.to_numpy() > 0).sum()) for each in study.evaluations.values())
    assert len(links) == len(seen) == cells


def test_text_is_escaped_and_labels_are_in_korean(study: vl.Study, tmp_path: Path) -> None:
    for labels in (None, "ko"):
        html = study.report(tmp_path / "report.html", labels=labels).read_text(encoding="utf-8")
        page = Parsed(html)
        assert not any("onerror" in attributes for _, attributes in page.tags)
        assert "b" not in [tag for tag, _ in page.tags]
        assert "<script>alert" not in html
        waving = [each for each in page.having("data-cell") if each["data-cell"] == "1-1-1"]
        name = translated("waving hand", labels)
        assert f"{name} taken for {name}" in waving[0]["title"]
    assert name != "waving hand"
    with pytest.raises(OptionError, match="shown in 'en' or 'ko'"):
        study.report(tmp_path / "other.html", labels="fr")
    assert not (tmp_path / "other.html").exists()


def num_players(page: Parsed) -> int:
    found = [each["id"] for each in page.having("id") if each["id"].startswith("player-")]
    assert found == [f"player-{number}" for number in range(len(found))]
    kept = [each for each in page.having("id") if each["id"].startswith("kept-")]
    assert len(kept) == len(found)
    return len(found)


def num_pictures(page: Parsed) -> int:
    return sum("image/jpeg" in each["src"] for each in page.having("src"))


def test_videos_then_pictures_then_charts_are_left_out_of_a_small_file(
    study: vl.Study, tmp_path: Path
) -> None:
    path = study.report(tmp_path / "report.html")
    whole = path.stat().st_size / 1e6
    page = parsed(path)
    assert (num_players(page), num_pictures(page)) == (6, len(study))
    assert "left out" not in path.read_text(encoding="utf-8")
    found = []
    sizes = np.linspace(whole, 0.05, 14)
    for max_mb in sizes:
        try:
            study.report(path, max_mb=max_mb)
        except OptionError as error:
            least = re.search(r"give max_mb=([\d.]+)", str(error))
            assert least is not None
            study.report(path, max_mb=float(least[1]))
            break
        assert path.stat().st_size <= max_mb * 1e6
        html = path.read_text(encoding="utf-8")
        page = Parsed(html)
        players, pictures = num_players(page), num_pictures(page)
        charts = sum("image/svg" in each["src"] for each in page.having("src"))
        if charts == 0:
            assert "The chart is left out, as are pictures and videos" in html
        else:
            assert charts == 3
            assert players == 6 or "videos are left out" in html
            assert pictures == len(study) or f"Pictures of {pictures} clips" in html
        assert not players or pictures == len(study)
        assert not pictures or charts == 3
        found.append((players, pictures, charts))
    else:
        pytest.fail("the tables are never too large")
    assert found == sorted(found, reverse=True)
    assert len(set(found)) > 2


def test_clips_that_are_no_files_have_neither_picture_nor_player(
    study: vl.Study, tmp_path: Path
) -> None:
    gone = {}
    for name, each in study.evaluations.items():
        clips = each.predictions[["video", "start_seconds", "end_seconds", "label"]]
        clips = clips.assign(video="item 3", start_seconds=np.nan, end_seconds=np.nan)
        gone[name] = Evaluation(
            clips, each.probabilities, labels=LABELS, title=each.title, cost=each.cost
        )
    page = parsed(vl.Study(gone).report(tmp_path / "report.html"))
    assert (num_players(page), num_pictures(page)) == (0, 0)
    assert sum("image/svg" in each["src"] for each in page.having("src")) == 2


def test_one_model_shows_its_surest_errors_first(study: vl.Study, tmp_path: Path) -> None:
    alone = vl.Study({"off": study.evaluations["off"]})
    path = alone.report(tmp_path / "report.html")
    html = path.read_text(encoding="utf-8")
    assert "Where it is wrong" in html
    verdicts = re.findall(r"<td>([✓✗]) ", html)
    wrong = int((~study.evaluations["off"].is_right).sum())
    assert verdicts == ["✗"] * wrong + ["✓"] * (len(alone) - wrong)


# ---- in a browser --------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_from_disk_without_a_network_players_scrub_and_cells_filter(
    study: vl.Study, tmp_path: Path, chromium: Browser, scheme: Any
) -> None:
    path = study.report(tmp_path / "report.html", labels="ko")
    context = chromium.new_context(offline=True, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append("dialog"), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    broken = "each => each.filter((one) => !one.complete || !one.naturalWidth).length"
    expect(page.locator("img").first).to_be_visible()
    assert page.eval_on_selector_all("img", broken) == 0
    for number in range(6):
        _scrub(page, page.locator(f"#player-{number} .vidlab-player"))
    expect(page.locator("#player-0")).to_contain_text("스쿼트하기")
    _filter(page, study)
    assert barriers(page, "table.matrix") == []
    assert said == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    context.close()


def _scrub(page: Page, player: Locator) -> None:
    """Click along the timeline, and step; the frame follows."""
    player.scroll_into_view_if_needed()
    expect(player).to_have_attribute("data-frame", re.compile(r"\d+"), timeout=15_000)
    expect(player.locator(".vl-status")).to_be_hidden()
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
    page.keyboard.press(",")
    expect(player).to_have_attribute("data-frame", str(seen[-1] - 1))


def _filter(page: Page, study: vl.Study) -> None:
    rows = page.locator("#clips tbody tr")
    shown = page.locator("#clips tbody tr:visible")
    expect(rows).to_have_count(len(study))
    expect(shown).to_have_count(20)
    # By keyboard, of the model whose matrix is folded.
    summary = page.locator("summary").last
    summary.focus()
    page.keyboard.press("Enter")
    link = page.locator("a[data-cell='1-0-2']")
    link.focus()
    page.keyboard.press("Enter")
    counts = study.evaluations["off"].confusion
    count = int(counts.loc["squat", LABELS[2]])
    expect(shown).to_have_count(count)
    assert 0 < count < 20
    for row in shown.all():
        expect(row).to_contain_text(f"✗ {LABELS[2]}")
    expect(page.locator("#clips-what")).to_contain_text(f"off: 스쿼트하기 taken for {LABELS[2]}")
    expect(link).to_have_attribute("aria-current", "true")
    every = page.get_by_role("button", name=f"Show all {len(study)} clips")
    expect(every).to_be_focused()
    page.keyboard.press("Enter")
    expect(shown).to_have_count(len(study))
    expect(every).to_be_hidden()
    expect(link).to_have_attribute("aria-current", "false")


@pytest.mark.browser
def test_without_scripts_all_clips_are_there_and_links_lead_to_them(
    study: vl.Study, tmp_path: Path, chromium: Browser
) -> None:
    path = study.report(tmp_path / "report.html")
    context = chromium.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    expect(page.locator("#clips tbody tr:visible")).to_have_count(len(study))
    link = page.locator("a[data-cell='0-0-0']")
    link.click()
    assert page.url.endswith(link.get_attribute("href") or "none")
    context.close()
