"""A kernel is killed under what it shows: what the page says, and what is kept when one goes on."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from browser_harness import RUN_TIMEOUT_MS, Lab, Notebook, as_camera, barriers, browser_with_camera
from playwright.sync_api import Browser, Locator, expect
from synthetic import make_video

import vidlab as vl
from vidlab.core.label_names import translated

pytestmark = pytest.mark.browser

ARTIFACTS = Path(__file__).resolve().parents[1] / "_artifacts"

TIMEOUT_MS = 60_000
NUM_VIDEOS = 40
LAST_FRAME = 1499  # a minute: far more than a page loads ahead

# What Jupyter says in the place of a widget that no kernel knows.
NO_WIDGET = re.compile("Loading widget|model not found")

PREPARE = "import os, vidlab as vl\nos.environ.pop('VIDLAB_QUIET', None)"


@dataclass
class Doomed:
    """A notebook whose kernel is going to be killed."""

    lab: Lab
    path: Path
    notebook: Notebook
    kernel: int

    @classmethod
    def open(cls, lab: Lab, name: str, cells: list[str]) -> Doomed:
        path = lab.write_notebook(name, cells)
        notebook = lab.open(path, height=1400)
        notebook.run_cell(0)
        return cls(lab, path, notebook, notebook.evaluate_in_kernel("os.getpid()"))

    def run_cell(self, index: int, *, and_wait: bool = True) -> None:
        """Run a cell; its prompt may be what it was with the kernel before."""
        self.notebook.page.evaluate(
            """async ([index, and_wait]) => {
                window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
                const run = window.jupyterapp.commands.execute('notebook:run-cell');
                if (and_wait) await run;
            }""",
            [index, and_wait],
        )

    def start_again(self, index: int) -> None:
        """Prepare the new kernel, and run a cell without waiting for it."""
        self.run_cell(0)
        self.kernel = self.notebook.evaluate_in_kernel("os.getpid()")
        self.run_cell(index, and_wait=False)

    def kill(self) -> None:
        """Kill the kernel as the system does where memory runs out, and dismiss Jupyter's words."""
        os.kill(self.kernel, signal.SIGKILL)
        dialog = self.notebook.page.locator(".jp-Dialog")
        expect(dialog).to_contain_text("appears to have died", timeout=TIMEOUT_MS)
        dialog.get_by_role("button", name="Ok").click()

    def reopen(self) -> None:
        """Open the notebook again as it was saved: the new kernel knows nothing of it."""
        self.notebook.save()
        self.notebook.page.wait_for_function(
            "() => !window.jupyterapp.shell.currentWidget.context.model.dirty"
        )
        self.notebook.page.close()
        self.notebook = self.lab.open(self.path, height=1400)

    def picture(self, name: str, *outputs: int) -> None:
        """Keep pictures of outputs for people to look at."""
        ARTIFACTS.mkdir(exist_ok=True)
        for theme in ("Light", "Dark"):
            self.notebook.set_theme(f"JupyterLab {theme}")
            # While a theme comes, Jupyter lays its splash over the page, and lets it fade.
            expect(self.notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
            for index in outputs:
                self.notebook.output(index).screenshot(
                    path=ARTIFACTS / f"kernel-{name}-{index}-{theme}.png"
                )


@pytest.fixture(scope="module")
def camera_lab(
    lab: Lab, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """JupyterLab in a browser that has a camera."""
    film = as_camera(Path(vl.sample_videos()["jumping_jacks"]), tmp_path_factory.mktemp("film"))
    with browser_with_camera(chromium, film) as browser:
        yield replace(lab, browser=browser)


@pytest.fixture
def doomed() -> Iterator[Callable[[Lab, str, list[str]], Doomed]]:
    """Open notebooks, and close them at the end."""
    opened: list[Doomed] = []

    def make(lab: Lab, name: str, cells: list[str]) -> Doomed:
        opened.append(Doomed.open(lab, name, cells))
        return opened[-1]

    yield make
    for each in opened:
        each.notebook.close()


def wait_until(holds: Callable[[], bool], what: str, *, seconds: float = 60.0) -> None:
    """Wait until something holds on this machine."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come to be")
        time.sleep(0.05)


def ended(root: Locator) -> Locator:
    """What a widget says of its kernel."""
    return root.locator(".vl-ended")


def children(of: int) -> list[int]:
    """Processes that a process started, and those that they started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, rest = path.read_text().split(" (", 1)
            if int(rest.rsplit(") ", 1)[1].split()[1]) == of:
                found += [int(pid), *children(int(pid))]
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be noted by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


def test_players(
    lab: Lab,
    doomed: Callable[[Lab, str, list[str]], Doomed],
    spelled: Callable[..., Path],
    tmp_path: Path,
) -> None:
    path, marks = spelled("avi", num_frames=LAST_FRAME + 1, size=(96, 72)), tmp_path / "marks.csv"
    each = doomed(
        lab,
        "players.ipynb",
        [
            PREPARE,
            f"vl.Player({str(path)!r})",
            f"vl.Player({str(path)!r}, locale='ko')",
            f"vl.Annotator({str(path)!r}, ['waving'], out={str(marks)!r})",
            f"import pandas as pd\nvl.Gallery(pd.DataFrame({{'video': [{str(path)!r}]}}))",
        ],
    )
    notebook = each.notebook
    notebook.run_all()
    player, korean, annotator = (
        notebook.output(index).locator(".vidlab-player") for index in (1, 2, 3)
    )
    gallery = notebook.output(4).locator(".vidlab-gallery")
    for root in (player, korean, annotator):
        root.scroll_into_view_if_needed()
        expect(root).to_have_attribute("data-frame", "0", timeout=TIMEOUT_MS)
    # A second is marked, which is saved at once.
    annotator.locator(".vl-screen").click()
    annotator.press("Home")
    annotator.press("1")
    annotator.press("ArrowRight")
    annotator.press("1")
    wait_until(lambda: marks.is_file() and "waving" in marks.read_text(), "the saved segment")
    each.kill()
    expect(ended(player)).to_have_text(
        "The kernel has ended. What was loaded can still be watched; run this cell again for the "
        "rest."
    )
    expect(ended(korean)).to_contain_text(
        "커널이 종료되었습니다. 불러온 부분은 계속 볼 수 있습니다."
    )
    expect(ended(annotator)).to_contain_text("What was saved until then is in marks.csv")
    expect(ended(gallery)).to_contain_text("Filters and order still work")
    for root in (player, korean, annotator, gallery):
        expect(ended(root)).to_have_count(1)
        expect(root.locator(".vl-status").first).to_be_hidden()
    # What was loaded is still shown; what was not says so, without waiting, and one can go back.
    player.locator(".vl-screen").click()
    player.press("End")
    expect(player.locator(".vl-status")).to_contain_text("not loaded before the kernel ended")
    expect(player.locator(".vl-status progress")).to_be_hidden()
    expect(player.get_by_role("button", name="Try again")).to_be_hidden()
    each.picture("players", 1)
    player.press("Home")
    player.press(".")
    expect(player).to_have_attribute("data-frame", "1")
    expect(player.locator(".vl-status")).to_be_hidden()
    # Another mark cannot be saved any more, which is said.
    annotator.locator(".vl-screen").click()
    annotator.press("ArrowRight")
    annotator.press("1")
    annotator.press("ArrowRight")
    annotator.press("1")
    expect(annotator).to_contain_text("2 segments · not saved")
    expect(annotator).to_contain_text(
        "What is not saved is lost when this page is closed or the cell is run again: note the "
        "times below that you still need."
    )
    expect(annotator.get_by_role("button", name="Try again")).to_be_hidden()
    assert barriers(notebook.page, ".jp-OutputArea .vidlab-player") == []
    each.picture("players", 2, 3, 4)
    # Opened again there is what is kept beside each player, and nothing that waits.
    each.reopen()
    for index, words in ((1, "Run the cell to play it."), (3, "What is marked is in marks.csv")):
        output = each.notebook.output(index)
        expect(output.get_by_alt_text("Frame at")).to_have_count(8)
        expect(output).to_contain_text(words)
        expect(output).not_to_contain_text("Loading")
    each.notebook.run_all()
    annotator = each.notebook.output(3).locator(".vidlab-player")
    annotator.scroll_into_view_if_needed()
    expect(annotator).to_contain_text("1 segment", timeout=TIMEOUT_MS)
    expect(ended(annotator)).to_have_count(0)


def test_live(
    camera_lab: Lab, doomed: Callable[[Lab, str, list[str]], Doomed], tmp_path: Path
) -> None:
    folder = tmp_path / "rec"
    film = Path(vl.sample_videos()["waving_hand"])
    each = doomed(
        camera_lab,
        "live.ipynb",
        [
            f"{PREPARE}\nmodel = vl.load_model('stickactions-xs-stream', backend='litert')",
            f"live = vl.Live(model, {str(film)!r}, record={str(folder)!r})\nlive",
            "vl.Live(model, locale='ko')",
        ],
    )
    notebook = each.notebook
    each.run_cell(1)
    each.run_cell(2)
    live, camera = (notebook.output(index).locator(".vidlab-live") for index in (1, 2))
    for root, start in ((live, "Start"), (camera, "시작")):
        root.get_by_role("button", name=start, exact=True).click()
        expect(root).to_have_attribute("data-state", "running", timeout=TIMEOUT_MS)
    expect(camera).to_have_attribute("data-camera", "on")
    tables = [folder / "frames.arrow", folder / "answers-0.arrow"]

    def is_recorded() -> bool:
        if not all(path.is_file() for path in tables):
            return False
        recording = vl.Recording(folder)
        return len(recording.frames) > 0 and len(recording.predictions[0]) > 0

    wait_until(is_recorded, "a recording")
    each.kill()
    expect(ended(live)).to_have_text(
        "The kernel has ended: nothing is looked at any more. Run this cell again, and press "
        f"Start. What was recorded until then is kept: vl.Recording({str(folder)!r})."
    )
    expect(ended(camera)).to_contain_text("커널이 종료되어 더 이상 예측하지 않습니다.")
    expect(ended(camera)).not_to_contain_text("Recording")
    # The camera's light goes out, and nothing can be started.
    expect(camera).to_have_attribute("data-camera", "off")
    for root, start in ((live, "Start"), (camera, "시작")):
        expect(root).to_have_attribute("data-state", "stopped")
        expect(root.get_by_role("button", name=start, exact=True)).to_be_disabled()
    assert barriers(notebook.page, ".jp-OutputArea .vidlab-live") == []
    each.picture("live", 1, 2)
    # The recording is whole up to a moment before, and says that it has no end.
    recording = vl.Recording(folder)
    assert not recording.is_finished
    assert "not finished, or its process was ended" in repr(recording)
    assert recording.video.num_frames > 0
    seen = recording.predictions[0].frame_index
    assert 0 < len(seen) <= len(recording.frames)
    assert set(seen) <= set(recording.frames["frame_index"])
    # Opened again, the notebook says where it is; so does the same cell, which records elsewhere.
    each.reopen()
    expect(each.notebook.output(1)).to_contain_text(f"vl.Recording({str(folder)!r})")
    expect(each.notebook.output(1)).not_to_contain_text("model not found", use_inner_text=True)
    expect(each.notebook.output(2)).to_contain_text("기록하지 않았습니다")
    each.run_cell(0)
    each.run_cell(1)
    expect(each.notebook.output(1)).to_contain_text(
        f"vidlab.Recording({str(folder)!r}) opens what is there"
    )
    assert vl.Recording(folder).video.num_frames == recording.video.num_frames


def test_fit(lab: Lab, doomed: Callable[[Lab, str, list[str]], Doomed], tmp_path: Path) -> None:
    for label in ("left", "right"):
        (tmp_path / "clips" / label).mkdir(parents=True)
        for number in range(3):
            path = tmp_path / "clips" / label / f"{number}.mp4"
            make_video(path, num_frames=12 + number, size=(96, 72), seed=number)
    out = tmp_path / "tuned"
    fit = (
        "vl.fit('stickactions-xs-stream', {clips!r}, out={out!r}, epochs={epochs}, patience=None,"
        " augment=None, checkpoint_seconds=0.1)"
    ).format
    forever = fit(clips=str(tmp_path / "clips"), out=str(out), epochs=1_000_000)
    unkept = forever.replace(f"out={str(out)!r}", "out=None")
    each = doomed(lab, "fit.ipynb", [PREPARE, forever, unkept])
    each.run_cell(1, and_wait=False)
    shown = each.notebook.output(1).locator(".vidlab-fit")
    expect(shown).to_contain_text(re.compile(r"epoch \d+, step .* left"), timeout=TIMEOUT_MS)
    wait_until((out / "checkpoint.safetensors").is_file, "a checkpoint")
    each.kill()
    each.reopen()
    # What it said last is what it says now: when, and how one goes on.
    for words in ("epoch ", "left (at ", f"Kept in {out}: if the kernel ends, run the cell again"):
        expect(each.notebook.output(1)).to_contain_text(words)
    each.picture("fit", 1)
    each.start_again(1)
    expect(each.notebook.output(1)).to_contain_text(
        f"vidlab: going on with the run in {out}, of which", timeout=TIMEOUT_MS
    )
    each.kill()
    each.reopen()
    each.start_again(2)
    expect(each.notebook.output(2)).to_contain_text(
        "Kept nowhere, as out= was not given", timeout=TIMEOUT_MS
    )
    each.kill()


def test_run(lab: Lab, doomed: Callable[[Lab, str, list[str]], Doomed], tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "run"
    videos.mkdir()
    make_video(videos / "0.mp4", num_frames=100, size=(96, 72))
    for number in range(1, NUM_VIDEOS - 1):
        os.link(videos / "0.mp4", videos / f"{number}.mp4")
    (videos / "망가진 <b>영상.mp4").write_bytes(b"no video")
    each = doomed(
        lab,
        "run.ipynb",
        [
            f"{PREPARE}\nmodel = vl.load_model('stickactions-xs-stream', backend='litert')",
            f"vl.predict_many({str(videos)!r}, model, out={str(out)!r}, workers=2)",
        ],
    )
    each.run_cell(1, and_wait=False)
    bar = each.notebook.output(1).locator(".vidlab-progress")
    expect(bar).to_contain_text(f"of {NUM_VIDEOS} videos", timeout=TIMEOUT_MS)
    wait_until(lambda: len(list(out.glob("answers/*/*.parquet"))) >= 2, "answers to 2 videos")
    workers = children(each.kernel)
    assert len(workers) >= 2
    each.kill()
    wait_until(lambda: not any(map(is_alive, workers)), "the end of the workers")
    done = {path: path.stat().st_mtime_ns for path in out.glob("answers/*/*.parquet")}
    assert 2 <= len(done) < NUM_VIDEOS - 1
    each.reopen()
    # What it said last: how far it was, how quick and when, and that the same cell goes on.
    bar = each.notebook.output(1).locator(".vidlab-progress")
    expect(bar).to_contain_text(f"of {NUM_VIDEOS} videos (")
    expect(bar).to_contain_text(f"Kept in {out}: if the kernel ends, run the cell again")
    each.picture("run", 1)
    each.start_again(1)
    output = each.notebook.output(1)
    expect(output).to_contain_text(
        f"of {NUM_VIDEOS} videos were done before; going on with the rest", timeout=TIMEOUT_MS
    )
    expect(bar).to_contain_text("about", timeout=TIMEOUT_MS)  # how long it will take
    expect(bar).to_contain_text("videos/")
    each.notebook.wait_idle(timeout_ms=RUN_TIMEOUT_MS)
    run = output.locator(".vidlab-run")
    expect(run).to_contain_text(f"{NUM_VIDEOS - 1} done")
    expect(run).to_contain_text("1 failed")
    expect(run.locator("td").first).to_have_text("망가진 <b>영상.mp4")
    expect(run).to_contain_text("vidlab.Gallery(run)")
    expect(bar).to_have_count(0)  # it goes away with the end
    assert output.locator(".jp-OutputArea-child").count() <= 4
    assert {path: path.stat().st_mtime_ns for path in done} == done
    each.picture("run-ended", 1)


def test_quiz(lab: Lab, doomed: Callable[[Lab, str, list[str]], Doomed], tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    squat, waving = (str(vl.sample_videos()[name]) for name in ("squat", "waving_hand"))
    each = doomed(
        lab,
        "quiz.ipynb",
        [
            PREPARE,
            f"""vl.Quiz([{squat!r}, {waving!r}], truth=["squat", "waving hand"],
                choices=["squat", "waving hand"], scores={str(scores)!r})""",
            f"""vl.Quiz({squat!r}, truth="squat", choices=["squat", "lunge"], locale="ko")""",
            # One whose clips are as slow to come as can be, and what its model says of them.
            f"""import threading
from vidlab.widgets.quiz_questions import Clip
Clip.opened = lambda *_: threading.Event().wait()
model = vl.load_model("stickactions-xs-stream", backend="litert")
vl.Quiz({squat!r}, model, name="Mina")""",
        ],
    )
    notebook = each.notebook
    quiz, korean, waiting = (notebook.output(index).locator(".vidlab-quiz") for index in (1, 2, 3))
    # One answer is committed, and the second clip plays; the Korean quiz asks for a name.
    each.run_cell(1)
    each.run_cell(2)
    quiz.get_by_role("textbox", name="Your name").fill("Mina")
    quiz.get_by_role("button", name="Begin").click()
    quiz.get_by_role("radio", name="squat").check()
    quiz.get_by_role("button", name="Commit").click()
    expect(quiz.locator(".vl-quiz-verdict")).to_have_text("✓Right. It is: squat.")
    quiz.get_by_role("button", name="Next").click()
    picture = quiz.get_by_role("img", name="The clip, without sound")
    expect(picture).to_be_visible()
    quiz.get_by_role("radio", name="waving hand").check()
    each.run_cell(3)
    expect(waiting).to_contain_text("thinking")
    each.kill()
    expect(ended(quiz)).to_have_text(
        "The kernel has ended. Every committed answer is kept: run this cell again, give the same "
        "name, and you go on where you were."
    )
    expect(ended(korean)).to_have_text(
        "커널이 종료되어 답이 사라졌습니다. 파일(scores=)에 저장하지 않았기 때문입니다. "
        "이 셀을 다시 실행하면 처음부터 시작합니다."
    )
    expect(ended(waiting)).to_contain_text("The kernel has ended, and the answers with it")
    # Nothing waits any more, nothing can be answered, and it is all still to be seen.
    expect(waiting.locator(".vl-quiz-screen")).to_have_text(
        "The kernel has ended. Run this cell again."
    )
    expect(waiting.locator(".vl-quiz-side")).to_be_empty()
    for root, control in ((quiz, "Commit"), (korean, "시작")):
        expect(root.get_by_role("button", name=control)).to_be_disabled()
    expect(korean.get_by_role("textbox")).to_be_disabled()
    expect(quiz.get_by_role("radio", name="waving hand")).to_be_checked()
    for radio in quiz.get_by_role("radio").all():
        expect(radio).to_be_disabled()
    # The clip plays on until it is paused.
    shown = picture.get_attribute("src")
    expect(picture).not_to_have_attribute("src", str(shown))
    quiz.get_by_role("button", name="Pause").click()
    expect(quiz.get_by_role("button", name="Play")).to_be_enabled()
    # A key that would have committed says why it does not, and is not the notebook's.
    quiz.press("Enter")
    expect(quiz.locator(".vl-notice")).to_have_text("The kernel has ended. Run this cell again.")
    assert barriers(notebook.page, ".jp-OutputArea .vidlab-quiz") == []
    each.picture("quiz", 1, 2, 3)
    # Opened again, the notebook says where answers are, and none of them.
    each.reopen()
    for index, num, words in (
        (1, "clips: 2", f"whatever became of the kernel: {scores}"),
        (2, "클립 1개", "답을 파일에 저장하지 않았습니다"),
        (3, "clips: 1", "scores= was not given"),
    ):
        output = each.notebook.output(index)
        expect(output).to_contain_text(num)
        expect(output).to_contain_text(words)
        expect(output).not_to_contain_text(NO_WIDGET, use_inner_text=True)
    each.picture("quiz-reopened", 1, 2, 3)
    # The same cell and the same name go on.
    each.run_cell(0)
    each.run_cell(1)
    quiz = each.notebook.output(1).locator(".vidlab-quiz")
    quiz.get_by_role("textbox", name="Your name").fill("Mina")
    quiz.get_by_role("button", name="Begin").click()
    expect(quiz.get_by_role("heading")).to_have_text("Clip 2 of 2")
    expect(quiz.locator(".vl-quiz-scores")).to_have_text("Mina1/1")
    expect(quiz.get_by_role("radio", name="waving hand")).to_be_enabled()
    # By its own rule, which holds in other hosts than Jupyter too.
    kept = each.notebook.output(1).locator("[data-vidlab-kept]")
    expect(kept).to_have_css("display", "none")


def test_sampling(lab: Lab, doomed: Callable[[Lab, str, list[str]], Doomed]) -> None:
    film = str(vl.sample_videos()["waving_hand"])
    each = doomed(
        lab,
        "sampling.ipynb",
        [
            f"""{PREPARE}
from vidlab.attribution import sampling_lab
model = vl.load_model("stickactions-xs-stream", backend="litert")
options = {{"strides": (5, 10), "phases": (0,), "crops": ("centre", "left"), "progress": False}}
tried = sampling_lab({film!r}, model, **options)""",
            "vl.SamplingView(tried)",
            "vl.SamplingView(tried, labels='ko', locale='ko')",
        ],
    )
    notebook = each.notebook
    view, korean = (notebook.output(index).locator(".vidlab-sampling") for index in (1, 2))
    each.run_cell(1)
    each.run_cell(2)
    for root in (view, korean):
        expect(root.get_by_role("radio")).to_have_count(4)
    each.kill()
    expect(ended(view)).to_have_text(
        "The kernel has ended. All that is here still works; run this cell again for Python to "
        "hear of it."
    )
    expect(ended(korean)).to_have_text(
        "커널이 종료되었습니다. 여기 있는 것은 모두 그대로 쓸 수 있습니다. "
        "Python과 다시 연결하려면 이 셀을 다시 실행하십시오."
    )
    # All that is there does: sliders, cells, the label's band, the values at a time.
    crop = view.get_by_role("slider", name="Crop", exact=True)
    crop.press("ArrowRight")
    expect(crop).to_have_attribute("aria-valuetext", "left")
    chosen = view.get_by_role("radio", checked=True)
    expect(chosen).to_have_accessible_name(re.compile("left: "))
    korean.locator(".vl-sampling-cell").nth(2).click()
    expect(korean.get_by_role("radio").nth(2)).to_be_checked()
    expect(korean.locator(".vl-sampling-verdict")).to_contain_text("기본 설정과 레이블이")
    chart = view.get_by_role("slider", name="Probability over time")
    chart.press("Home")
    expect(chart).to_have_attribute("aria-valuetext", re.compile("^00:00.000, this setting "))
    for root in (view, korean):
        expect(root.locator(":disabled")).to_have_count(0)
    assert barriers(notebook.page, ".jp-OutputArea .vidlab-sampling") == []
    each.picture("sampling", 1, 2)
    # Opened again, the notebook says what it was about; the cell shows it anew.
    each.reopen()
    for index, words, label in (
        (1, "Settings that say “{}”, as the default one does: ", "waving hand"),
        (2, "기본 설정과 같은 “{}”입니다", translated("waving hand", "ko")),
    ):
        output = each.notebook.output(index)
        expect(output).to_contain_text(film.rpartition("/")[2])
        expect(output).to_contain_text(words.format(label))
        expect(output).not_to_contain_text(NO_WIDGET, use_inner_text=True)
    each.picture("sampling-reopened", 1, 2)
    each.run_cell(0)
    each.run_cell(1)
    view = each.notebook.output(1).locator(".vidlab-sampling")
    expect(view.get_by_role("radio")).to_have_count(4)
    expect(ended(view)).to_have_count(0)
    # By its own rule, which holds in other hosts than Jupyter too.
    kept = each.notebook.output(1).locator("[data-vidlab-kept]")
    expect(kept).to_have_css("display", "none")


def test_galleries(lab: Lab, doomed: Callable[[Lab, str, list[str]], Doomed]) -> None:
    films = [str(vl.sample_videos()[name]) for name in ("squat", "waving_hand")]
    each = doomed(
        lab,
        "galleries.ipynb",
        [
            f"""{PREPARE}
import pandas as pd
films = {films!r}
said = pd.DataFrame({{"video": films, "label": ["squat", "waving hand"],
                      "predicted_float": ["squat"] * 2, "predicted_int8": ["waving hand"] * 2}})
model = vl.load_model("stickactions-xs-stream", backend="litert")""",
            "vl.Gallery(said)",
            "vl.Explorer(said[['video']], model, locale='ko')",
        ],
    )
    notebook = each.notebook
    gallery, explorer = (notebook.output(index).locator(".vidlab-gallery") for index in (1, 2))
    each.run_cell(1)
    each.run_cell(2)
    for root in (gallery, explorer):
        root.scroll_into_view_if_needed()
        expect(root.locator(".vl-card-picture:visible")).to_have_count(2, timeout=TIMEOUT_MS)
    # While it is there, what is kept of it is not seen.
    for index in (1, 2):
        expect(notebook.output(index).locator("[data-vidlab-kept]")).to_be_hidden()
    explorer.locator(".vl-card").first.dblclick()
    opened = notebook.output(2).locator(".vidlab-player[data-frame]")
    expect(opened).to_have_count(1, timeout=TIMEOUT_MS)
    each.kill()
    expect(ended(gallery)).to_contain_text("Filters and order still work")
    expect(ended(explorer)).to_contain_text("커널이 종료되")
    assert barriers(notebook.page, ".jp-OutputArea .vidlab-gallery") == []
    each.picture("galleries", 1, 2)
    # Opened again, the notebook says what it was of; the cell shows it anew.
    each.reopen()
    for index, words in (
        (1, ["Gallery, clips: 2. Run the cell to see them.", "Models: float, int8"]),
        (
            2,
            [
                "탐색기: 클립 2개. 열어 보려면 셀을 실행하세요.",
                "모델: litert:stickactions-xs-stream",
            ],
        ),
    ):
        output = each.notebook.output(index)
        for said in words:
            expect(output).to_contain_text(said, use_inner_text=True)
        expect(output).not_to_contain_text(NO_WIDGET, use_inner_text=True)
    assert barriers(each.notebook.page, "[data-vidlab-kept]") == []
    each.picture("galleries-reopened", 1, 2)
    each.run_cell(0)
    for index in (1, 2):
        each.run_cell(index)
        output = each.notebook.output(index)
        root = output.locator(".vidlab-gallery")
        root.scroll_into_view_if_needed()
        expect(root.locator(".vl-card-picture:visible")).to_have_count(2, timeout=TIMEOUT_MS)
        expect(ended(root)).to_have_count(0)
        expect(output.locator("[data-vidlab-kept]")).to_have_css("display", "none")
