"""The command line, as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import synthetic

import vidlab as vl
from vidlab.cli import main

MODEL = "litert:movinet-a0-stream"


@pytest.fixture
def with_mirror(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))


@pytest.fixture
def ice(clips: Path) -> str:
    return str(clips / "carving_ice.mp4")


@pytest.mark.usefixtures("with_mirror")
class TestWithRealWeights:
    def test_models_lists_what_is_here(self, capsys) -> None:
        assert main(["models"]) == 0
        out = capsys.readouterr().out
        assert "movinet-a0-stream" in out
        assert "Apache-2.0" in out
        assert main(["models", "--json"]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert any(row["here"] and row["variant"] == "int8" for row in rows)

    def test_predict_prints_one_json_object_per_video(self, ice: str, clips: Path, capsys) -> None:
        other = str(clips / "R6llTwEh07w.mp4")
        assert main(["predict", ice, other, "--model", MODEL, "--json", "--top", "3"]) == 0
        first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert set(first) == {"video", "model", "backend", "top", "frames", "seconds"}
        assert first["video"] == ice
        assert first["backend"] == "litert"
        assert first["frames"] == 22
        assert len(first["top"]) == 3
        assert first["top"][0]["label"] == "carving ice"
        assert first["top"][0]["probability"] > 0.95
        assert second["top"][0]["label"] == "using segway"

    def test_backend_may_be_an_option(self, ice: str, capsys) -> None:
        argv = ["predict", ice, "--model", "movinet-a0-stream", "--backend", "litert", "--json"]
        assert main([*argv, "--fps", "2"]) == 0
        assert json.loads(capsys.readouterr().out)["frames"] == 9
        assert main([*argv, "--fps", "source", "--threads", "2"]) == 0
        assert json.loads(capsys.readouterr().out)["frames"] == 131

    def test_predict_writes_parquet_and_csv(self, ice: str, tmp_path: Path, capsys) -> None:
        for suffix in (".parquet", ".csv"):
            out = tmp_path / f"predictions{suffix}"
            assert main(["predict", ice, "--model", MODEL, "--out", str(out)]) == 0
            assert out.is_file()
        assert capsys.readouterr().out == ""
        again = vl.Predictions.load(tmp_path / "predictions.parquet")
        assert again.top1()["label"].iloc[-1] == "carving ice"
        assert len(pd.read_csv(tmp_path / "predictions.csv")) == len(again.table)

    def test_one_bad_file_does_not_cost_the_others(self, ice: str, odd: Path, capsys) -> None:
        bad = str(odd / "streamio_broken.mp4")
        assert main(["predict", bad, ice, "--model", MODEL, "--json"]) == 2
        captured = capsys.readouterr()
        assert json.loads(captured.out)["video"] == ice
        assert "streamio_broken.mp4" in captured.err

    def test_compare_prints_tables_and_writes_a_report(
        self, ice: str, tmp_path: Path, mirror: Path, capsys
    ) -> None:
        report, table = tmp_path / "report.html", tmp_path / "table.parquet"
        argv = ["compare", ice, "--model", MODEL, "--model", f"torch:{mirror / _INT8}"]
        assert main([*argv, "--report", str(report), "--out", str(table)]) == 0
        out = capsys.readouterr().out
        assert "jsd_nats" in out
        assert "carving ice" in out
        assert "median_ms" in out
        assert "carving ice" in report.read_text()
        assert {"agree", "jsd_nats"} <= set(pd.read_parquet(table).columns)

    def test_convert_makes_a_model_that_loads(self, tmp_path: Path, mirror: Path) -> None:
        target = tmp_path / "a0.safetensors"
        assert main(["convert", str(mirror / _INT8), str(target)]) == 0
        model = vl.load_model(target)
        assert model.backend == "torch"
        assert model.num_classes == 600


_INT8 = "movinet_a0_stream_k600_int8.tflite"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["predict", "absent.mp4", "--model", MODEL], "absent.mp4"),
        (["predict", "{clip}", "--model", "movinet-a0-steam"], "Did you mean"),
        (["predict", "{clip}", "--model", MODEL, "--fps", "many"], "--fps takes a number"),
        (["predict", "{clip}", "--model", MODEL, "--top", "0"], "max_results"),
        (["predict", "{clip}", "--model", MODEL, "--threads", "-1"], "num_threads"),
        (["predict", "{clip}", "--model", MODEL, "--backend", "caffe"], "--backend|backend"),
        (["predict", "{clip}", "--model", MODEL, "--out", "x.json"], "must end in"),
        (["predict", "{clip}", "{clip}", "--model", MODEL, "--out", "x.csv"], "one video"),
        (["compare", "{clip}", "--model", MODEL], "at least two"),
        (["compare", "{clip}", "--model", MODEL, "--report", "x.pdf"], "must end in"),
        (["predict", "{clip}", "--model", MODEL, "--label-language", "kr"], "Did you mean 'ko'"),
        (["compare", "{clip}", "--model", MODEL, "--label-language", "fr"], "in 'en' or 'ko'"),
        (["convert", "{clip}", "x.safetensors"], "mp4"),
        (["convert", "{clip}", "x.pt"], "must end in"),
        (["lab", "absent.ipynb"], "no notebook"),
        (["predict", "{clip}", "--model", MODEL, "--out", "clip.mp4/p.csv"], "Cannot write"),
        (["compare", "{clip}", "--model", MODEL, "--report", "clip.mp4/r.html"], "Cannot write"),
    ],
)
@pytest.mark.usefixtures("with_mirror")
def test_bad_input_is_exit_code_2_and_one_line(
    argv: list[str], message: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    import re

    synthetic.make_video(tmp_path / "clip.mp4", num_frames=5)
    monkeypatch.chdir(tmp_path)
    argv = [part.replace("{clip}", "clip.mp4") for part in argv]
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if line.startswith("vidlab: ")]
    assert len(lines) == 1
    assert re.search(message, lines[0])
    assert "Traceback" not in captured.err
    assert {item.name for item in tmp_path.iterdir()} == {"clip.mp4"}


def test_usage_errors_are_exit_code_2(capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["predict"])
    assert caught.value.code == 2


def test_version(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert vl.__version__ in capsys.readouterr().out


# ---- labels in Korean ----------------------------------------------------------------------------

KOREAN = ["--label-language", "ko"]
SHIPPED = "litert:stickactions-xs-stream", "torch:stickactions-pictures"


def test_labels_are_printed_in_korean_and_written_as_they_are(tmp_path: Path, capsys) -> None:
    squat, table = str(vl.sample_videos()["squat"]), tmp_path / "table.csv"
    predict = ["predict", squat, "--model", SHIPPED[0], "--top", "1", *KOREAN]
    assert main(predict) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "스쿼트하기" in printed[-1]
    assert "squat" not in printed[-1].replace("squat.mp4", "")
    # Letters that are two columns wide leave the others in line.
    assert len({sum(1 + (letter >= "가") for letter in line) for line in printed}) == 1
    assert main([*predict, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["top"][0]["label"] == "squat"
    assert main([*predict, "--out", str(table)]) == 0
    labels = vl.LabelMap.named("stick-actions")
    assert set(pd.read_csv(table)["label"]) <= set(labels)

    report = tmp_path / "report.html"
    compare = ["compare", squat, "--model", SHIPPED[0], "--model", SHIPPED[1], *KOREAN]
    assert main([*compare, "--out", str(table), "--report", str(report)]) == 0
    printed_text = capsys.readouterr().out
    assert "스쿼트하기" in printed_text
    assert not [label for label in set(labels) - {"squat"} if label in printed_text]
    assert set(pd.read_csv(table)["label_litert"]) <= set(labels)
    assert "스쿼트하기" in report.read_text(encoding="utf-8")


def test_a_study_is_reported_in_korean(tmp_path: Path, capsys) -> None:
    report, table = tmp_path / "study.html", tmp_path / "study.csv"
    models = [part for name in SHIPPED for part in ("--model", name)]
    command = ["evaluate", "stickactions:12", *models, "--report", str(report)]
    assert main([*command, "--out", str(table), *KOREAN]) == 0
    written = report.read_text(encoding="utf-8")
    names = vl.translate_labels(vl.LabelMap.named("stick-actions"))
    assert sum(name in written for name in names) >= 3
    assert pd.read_csv(table)["model"].tolist() == ["litert", "torch"]


# ---- evaluate ------------------------------------------------------------------------------------


def test_models_are_put_to_the_test_on_labelled_clips(tmp_path: Path, capsys) -> None:
    report, table = tmp_path / "study.html", tmp_path / "study.csv"
    command = [
        "evaluate", "stickactions:24",
        "--model", "litert:stickactions-xs-stream", "--model", "torch:stickactions-pictures",
        "--report", str(report), "--out", str(table),
    ]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr().out
    figures = pd.read_csv(table)
    assert figures["model"].tolist() == ["litert", "torch"]
    assert (figures["num_clips"] == 24).all()
    for row in figures.to_dict("records"):
        assert f"{row['top1']:.3f}" in said
    assert "difference" in said
    assert report.stat().st_size > 10_000


def test_labelled_clips_may_be_real_ones(
    clips: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, mirror: Path
) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    rows = [("carving_ice.mp4", "carving ice"), ("mmaction2_demo.mp4", "arm wrestling")]
    segments = pd.DataFrame(
        [(str(clips / name), None, None, label) for name, label in rows],
        columns=["video", "start_seconds", "end_seconds", "label"],
    )
    segments.to_csv(tmp_path / "segments.csv", index=False)
    command = ["evaluate", str(tmp_path / "segments.csv"), "--model", "litert:movinet-a0-stream"]
    assert main(command) == 0
    assert "litert" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stickactions:none"], "takes a number of clips"),
        (["stickactions:0"], "takes a number of clips"),
        (["nowhere"], "no folder"),
        (["stickactions:2", "--label-language", "kr"], "Did you mean 'ko'"),
        (["stickactions:2", "--report", "study.pdf"], "must end in .html"),
        (["stickactions:2", "--out", "study.xlsx"], "must end in .parquet or .csv"),
    ],
)
def test_what_evaluate_cannot_do_is_told(arguments: list[str], message: str, capsys) -> None:
    assert main(["evaluate", *arguments, "--model", "litert:stickactions-xs-stream"]) == 2
    assert message in capsys.readouterr().err
