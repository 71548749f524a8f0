"""The ``vidlab`` command: models, download, predict, run, compare, live, convert, export, lab.

Results go to standard output, notes and progress to standard error. Bad input ends with exit
code 2 and one line that says what to do.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vidlab.core.console import say
from vidlab.core.errors import MissingDependencyError, OptionError, VidlabError, WeightsError
from vidlab.core.files import check_writable
from vidlab.core.label_names import check_language, translate_labels

if TYPE_CHECKING:
    import pandas as pd

    from vidlab.comparison import Comparison
    from vidlab.predictions import Predictions

EXIT_SOME_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

_TABLE_SUFFIXES = (".parquet", ".csv")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = _parser()
    options = parser.parse_args(argv)
    warnings.showwarning = _warn_in_one_line
    try:
        return int(options.command(options))
    except VidlabError as error:
        print(f"vidlab: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("vidlab: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) went away; leave without a second error at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    import vidlab

    parser = argparse.ArgumentParser(
        prog="vidlab", description="Look into videos with video models, frame by frame."
    )
    parser.add_argument("--version", action="version", version=f"vidlab {vidlab.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    models = commands.add_parser("models", help="list the models, and which are here")
    models.add_argument("--json", action="store_true", help="print one JSON object per variant")
    models.add_argument(
        "--verify", action="store_true", help="show only what is here, and whether it is undamaged"
    )
    models.set_defaults(command=_models)

    download = commands.add_parser("download", help="bring models' weights to this machine")
    download.add_argument("names", nargs="+", metavar="NAME", help="as vidlab models lists them")
    download.add_argument("--variant", metavar="V", help="weights to download, such as int8")
    download.set_defaults(command=_download)

    predict = commands.add_parser("predict", help="run a model over videos")
    predict.add_argument("videos", nargs="+", metavar="VIDEO")
    predict.add_argument("--model", required=True, metavar="NAME_OR_PATH", help=_MODEL_HELP)
    predict.add_argument("--recipe", metavar="R", help=_RECIPE_HELP)
    _add_model_options(predict)
    _add_label_language(predict)
    output = predict.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print one JSON object per video")
    output.add_argument("--out", type=Path, metavar="FILE", help="write FILE.parquet or FILE.csv")
    predict.set_defaults(command=_predict)

    run = commands.add_parser("run", help="run models over a folder of videos, as one dataset")
    run.add_argument("folder", metavar="FOLDER", help="videos in it, at any depth, are taken")
    run.add_argument(
        "--model", required=True, action="append", metavar="NAME_OR_PATH", dest="models",
        help=f"{_MODEL_HELP}; give it again for more",
    )  # fmt: skip
    run.add_argument(
        "--out", required=True, type=Path, metavar="RUN",
        help="folder for answers, failures and what made them; the same command goes on there",
    )  # fmt: skip
    run.add_argument("--workers", type=int, metavar="N", help="processes (one a core)")
    run.add_argument(
        "--engine", default="local", metavar="E",
        help="local: processes of this machine; dask: workers of a Dask cluster (local)",
    )  # fmt: skip
    run.add_argument(
        "--scheduler", metavar="ADDRESS",
        help="Dask's scheduler, such as tcp://127.0.0.1:8786 (a cluster of this machine)",
    )  # fmt: skip
    run.add_argument(
        "--part-seconds", type=float, default=600.0, metavar="S",
        help="length of the parts that long videos are done in; 0 does them whole (600)",
    )  # fmt: skip
    run.add_argument(
        "--timeout", type=float, metavar="S",
        help="seconds that one video, or one part, may take (no limit)",
    )  # fmt: skip
    run.add_argument(
        "--skip-failed", action="store_true",
        help="do not try again what failed before, unless its file has changed",
    )  # fmt: skip
    run.add_argument("--recipe", metavar="R", help=_RECIPE_HELP)
    _add_model_options(run)
    run.set_defaults(command=_run)

    compare = commands.add_parser("compare", help="put models side by side on one video")
    compare.add_argument("video", metavar="VIDEO")
    compare.add_argument(
        "--model", required=True, action="append", metavar="NAME_OR_PATH", dest="models",
        help=f"{_MODEL_HELP}; give it twice or more",
    )  # fmt: skip
    compare.add_argument("--recipe", metavar="R", help=_RECIPE_HELP)
    _add_model_options(compare)
    _add_label_language(compare)
    compare.add_argument(
        "--bridge", metavar="LABELS",
        help="label map that all are carried over to where theirs differ, such as kinetics-600",
    )  # fmt: skip
    compare.add_argument("--report", type=Path, metavar="FILE.html", help="write a report")
    compare.add_argument(
        "--out", type=Path, metavar="FILE", help="write the table to FILE.parquet or FILE.csv"
    )
    compare.set_defaults(command=_compare)

    evaluate = commands.add_parser("evaluate", help="put models to the test on labelled clips")
    evaluate.add_argument(
        "data", metavar="DATASET",
        help="a folder with a folder of videos for each label, a CSV file of segments, or "
        "stickactions:N, N clips that are drawn for it",
    )  # fmt: skip
    evaluate.add_argument(
        "--model", required=True, action="append", metavar="NAME_OR_PATH", dest="models",
        help=f"{_MODEL_HELP}; give it again for more",
    )  # fmt: skip
    evaluate.add_argument(
        "--image-only", action="append", default=[], metavar="NAME_OR_PATH", dest="image_only",
        help="as --model, but it sees each frame by itself: the baseline that knows no motion",
    )  # fmt: skip
    evaluate.add_argument("--backend", metavar="B", help=_BACKEND_HELP)
    evaluate.add_argument("--threads", type=int, metavar="N", help=_THREADS_HELP)
    evaluate.add_argument("--labels", metavar="FILE", help=_LABELS_HELP)
    evaluate.add_argument("--card", metavar="NAME", help=_CARD_HELP)
    _add_label_language(evaluate)
    evaluate.add_argument("--report", type=Path, metavar="FILE.html", help="write a report")
    evaluate.add_argument(
        "--out", type=Path, metavar="FILE", help="write the table to FILE.parquet or FILE.csv"
    )
    evaluate.set_defaults(command=_evaluate, top=None)

    live = commands.add_parser("live", help="run models over what a camera sees, as it happens")
    live.add_argument(
        "--source", required=True, metavar="S",
        help="a camera (0 or /dev/video0), an rtsp:// or http:// address, or a video file, which "
        "is played as if it were live",
    )  # fmt: skip
    live.add_argument(
        "--model", required=True, action="append", metavar="NAME_OR_PATH", dest="models",
        help=f"{_MODEL_HELP}; give it again for more",
    )  # fmt: skip
    _add_model_options(live)
    _add_label_language(live)
    live.add_argument(
        "--rule", action="append", default=[], metavar="RULE", dest="rules",
        help="'washing hands >= 0.6 for 2 s every 60 s', or 'A >= 0.5, then B >= 0.5 within 30 s'; "
        "give it again for more",
    )  # fmt: skip
    live.add_argument(
        "--jsonl", action="store_true", help="print answers, events and states as JSON, one a line"
    )
    live.add_argument(
        "--record", type=Path, metavar="DIR", help="a new folder for all frames and answers"
    )
    live.add_argument("--seconds", type=float, metavar="S", help="stop after so long")
    live.add_argument("--speed", type=float, metavar="X", help="how fast a file is played (1)")
    live.add_argument("--loop", action="store_true", help="play a file again and again")
    live.add_argument(
        "--no-reset-on-cut", action="store_true", help="models remember what was before a cut"
    )
    live.set_defaults(command=_live)

    convert = commands.add_parser("convert", help="carry weights over into safetensors")
    convert.add_argument("source", metavar="SRC", help="LiteRT file, SavedModel or checkpoint")
    convert.add_argument("target", metavar="DST.safetensors", type=Path)
    convert.set_defaults(command=_convert)

    export = commands.add_parser("export", help="write a model for another runtime, and check it")
    export.add_argument("model", metavar="MODEL", help="a name from 'vidlab models', or a path")
    export.add_argument(
        "--to", required=True, metavar="FORM", help="litert, litert-int8, savedmodel or onnx"
    )
    export.add_argument("--out", type=Path, metavar="PATH", help="file, or directory to make")
    export.add_argument(
        "--calibration", action="append", metavar="VIDEO",
        help="what it will see: ranges are measured and answers checked on it; give it again for "
        "more (the sample videos)",
    )  # fmt: skip
    export.add_argument("--labels", metavar="FILE", help="label map, where no card has one")
    export.add_argument("--card", metavar="NAME", help="card that a path follows")
    export.add_argument(
        "--no-certificate", action="store_true", help="do not check that it answers the same"
    )
    export.set_defaults(command=_export)

    lab = commands.add_parser("lab", help="open JupyterLab on a notebook")
    lab.add_argument(
        "notebook", nargs="?", type=Path, default=Path("notebooks/01_explore.ipynb"),
        metavar="NOTEBOOK", help="what to open (notebooks/01_explore.ipynb)",
    )  # fmt: skip
    lab.set_defaults(command=_lab)
    return parser


_MODEL_HELP = "a name from 'vidlab models', a path or a handle; 'backend:name' picks the runtime"
_RECIPE_HELP = "do what a tutorial does, such as 3d-resnets"


_BACKEND_HELP = "runtime, such as torch, tfhub, litert, onnx or opencv"
_THREADS_HELP = "threads to compute with"
_LABELS_HELP = "label map, one label a line"
_CARD_HELP = "card that a path or handle follows"


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", metavar="B", help=_BACKEND_HELP)
    parser.add_argument(
        "--fps", metavar="F", help='frames a second to look at; "source" for every frame'
    )
    parser.add_argument("--top", type=int, metavar="K", help="labels per frame (5)")
    parser.add_argument("--threads", type=int, metavar="N", help=_THREADS_HELP)
    parser.add_argument("--labels", metavar="FILE", help=_LABELS_HELP)
    parser.add_argument("--card", metavar="NAME", help=_CARD_HELP)


def _add_label_language(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--label-language", metavar="L",
        help="show labels in this language, such as ko, as text and in reports; JSON, CSV and "
        "Parquet keep the label map's words",
    )  # fmt: skip


def _models(options: argparse.Namespace) -> int:
    from vidlab.models import list_models

    table = list_models()
    is_damaged = table["checked"] == "damaged"
    if options.verify:
        table = table[table["here"] | is_damaged]
    if options.json:
        for row in table.astype(object).where(table.notna(), None).to_dict("records"):
            print(json.dumps(row, ensure_ascii=False))
    elif options.verify:
        shown = table[["name", "variant", "place", "checked", "note"]]
        print(shown.to_string(index=False, na_rep=""))
    else:
        columns = ["name", "variant", "here", "backends", "licence", "size_mb", "top1", "input_px"]
        shown = table[[*columns, "note"]]
        shown = shown.assign(here=["yes" if here else "" for here in table["here"]])
        print(shown.to_string(index=False, na_rep="", float_format="%.1f"))
    if options.verify and is_damaged.any():
        raise WeightsError(
            f"{is_damaged.sum()} of the files here are damaged: delete them, and download them "
            "again with vidlab download."
        )
    return 0


def _download(options: argparse.Namespace) -> int:
    from vidlab.models.loading import download_model

    for name in options.names:
        print(download_model(name, variant=options.variant))
    return 0


def _predict(options: argparse.Namespace) -> int:
    from vidlab.inference import predict
    from vidlab.video import Video

    labels = check_language(options.label_language)
    if options.out is not None:
        _check_suffix(options.out, _TABLE_SUFFIXES)
        if len(options.videos) > 1:
            raise OptionError("--out takes one video; run one command per video, or use --json.")
        check_writable(options.out)
    model = _load(options.model, options)
    exit_code = 0
    for source in options.videos:
        try:
            with Video(source) as video:
                predictions = predict(video, model, fps=_fps(options.fps), recipe=options.recipe)
        except VidlabError as error:
            if len(options.videos) == 1:
                raise
            # One bad file among many must not cost the others.
            print(f"vidlab: {source}: {error}", file=sys.stderr)
            exit_code = EXIT_BAD_INPUT
            continue
        if options.json:
            print(json.dumps(_summary(source, predictions), ensure_ascii=False), flush=True)
        elif options.out is not None:
            predictions.save(options.out)
            say(f"wrote {options.out}")
        else:
            _print_table(predictions.table, labels)
        if was_interrupted(predictions):
            return EXIT_INTERRUPTED
    return exit_code


def _run(options: argparse.Namespace) -> int:
    from vidlab.many import predict_many

    run = predict_many(
        options.folder,
        [_load(name, options) for name in options.models],
        out=options.out,
        engine=options.engine,
        client=options.scheduler,
        workers=options.workers,
        fps=_fps(options.fps),
        recipe=options.recipe,
        retry_failed=not options.skip_failed,
        part_seconds=options.part_seconds or None,
        timeout_seconds=options.timeout,
    )
    print(run)
    failures = run.failures
    for row in failures.itertuples():
        print(f"{row.video}: {row.reason}")
    if run.stopped is not None:
        return EXIT_INTERRUPTED
    return EXIT_SOME_FAILED if len(failures) else 0


def _summary(source: str, predictions: Any) -> dict[str, Any]:
    from vidlab.pose import Poses

    if isinstance(predictions, Poses):
        found: dict[str, Any] = {
            "skeleton": predictions.skeleton.name, "people": predictions.num_people,
        }  # fmt: skip
    else:
        table = predictions.table
        last = predictions.at_frame(int(predictions.frame_index[-1])) if len(predictions) else table
        found = {
            "top": [
                {"label": row.label, "probability": float(row.probability)}
                for row in last.itertuples()
            ]
        }
    summary = {
        "video": source,
        "model": predictions.model,
        "backend": predictions.backend,
        **found,
        "frames": len(predictions),
        "seconds": predictions.made_by["elapsed_seconds"],
    }
    return summary if predictions.complete else {**summary, "stopped": predictions.stopped}


def _compare(options: argparse.Namespace) -> int:
    from vidlab.comparison import compare

    labels = check_language(options.label_language)
    _check_outputs(options)
    models = [_load(name, options) for name in options.models]
    comparison = compare(
        options.video, models, fps=_fps(options.fps), recipe=options.recipe,
        labels=options.bridge,
    )  # fmt: skip
    print_comparison(comparison, labels)
    if options.out is not None:
        save_table(comparison.table, options.out)
        say(f"wrote {options.out}")
    if options.report is not None:
        comparison.report(options.report, labels=labels)
        say(f"wrote {options.report}")
    return EXIT_INTERRUPTED if any(map(was_interrupted, comparison.predictions)) else 0


# Clips for tests are drawn from these seeds on: far from those that the shipped models learnt from.
_TEST_SEEDS = 8_000_000


def _evaluate(options: argparse.Namespace) -> int:
    from vidlab.evaluation import evaluate
    from vidlab.models import single_frames

    labels = check_language(options.label_language)
    _check_outputs(options)
    models = [_load(name, options) for name in options.models]
    models += [single_frames(_load(name, options)) for name in options.image_only]
    study = evaluate(models, _labelled(options.data), memory=True)
    shown = study.table.drop(columns=["num_threads", "runtime"], errors="ignore")
    print(shown.to_string(index=False, float_format="%.3f", na_rep=""))
    if len(study.names) > 1:
        print()
        print(study.differences.to_string(index=False, float_format="%.3f", na_rep=""))
    if options.out is not None:
        save_table(study.table, options.out)
        say(f"wrote {options.out}")
    if options.report is not None:
        study.report(options.report, labels=labels)
        say(f"wrote {options.report}")
    return 0


def _labelled(data: str) -> Any:
    kind, separator, number = data.partition(":")
    if kind != "stickactions" or not separator:
        return data
    if not number.isdecimal() or not int(number):
        raise OptionError(f"stickactions:N takes a number of clips, such as 240; got {number!r}.")
    from vidlab.datasets import StickActions

    return StickActions(range(_TEST_SEEDS, _TEST_SEEDS + int(number)))


def was_interrupted(predictions: Predictions) -> bool:
    """Tell whether Ctrl-C ended the run."""
    from vidlab.feeding import INTERRUPTED

    return (predictions.stopped or "").startswith(INTERRUPTED)


def print_comparison(comparison: Comparison, labels: str | None = None) -> None:
    """Print a comparison's tables on standard output, with labels in a language."""
    _print_table(comparison.table, labels, float_format="%.4f")
    disagreements = comparison.disagreements()
    print(f"\n{comparison!r}\n")
    if len(disagreements):
        _print_table(disagreements, labels, float_format="%.3f")
        print()
    shown = comparison.latency.drop(columns="model")
    print(shown.to_string(index=False, float_format="%.2f"))


def _print_table(table: pd.DataFrame, labels: str | None, **form: Any) -> None:
    """Print a table with labels in a language; its columns stay aligned where letters are wide."""
    import pandas as pd

    with pd.option_context("display.unicode.east_asian_width", True):
        print(translate_labels(table, labels=labels).to_string(index=False, **form))


def save_table(table: Any, path: Path) -> None:
    """Write a DataFrame to ``.parquet`` or ``.csv``, atomically."""
    from vidlab.core.files import atomic_write

    try:
        with atomic_write(path) as stream:
            if path.suffix == ".csv":
                table.to_csv(stream, index=False)
            else:
                table.to_parquet(stream, index=False)
    except OSError as error:
        raise OptionError(f"Cannot write {str(path)!r}: {error}.") from error


def _live(options: argparse.Namespace) -> int:
    from vidlab.live import FileSource, LiveSession, as_source, headless
    from vidlab.rules import parse_rule

    labels = check_language(options.label_language)
    rules = [parse_rule(text) for text in options.rules]
    source = as_source(options.source)
    if isinstance(source, FileSource):
        speed = 1.0 if options.speed is None else options.speed
        source = FileSource(source.video, speed=speed, loop=options.loop)
    elif options.loop or options.speed is not None:
        raise OptionError(f"--speed and --loop are for files; {source.name} plays by itself.")
    session = LiveSession(
        source,
        [_load(name, options) for name in options.models],
        fps=_fps(options.fps),
        rules=rules,
        reset_on_cut=not options.no_reset_on_cut,
        record=options.record,
    )
    headless.run(session, as_json=options.jsonl, seconds=options.seconds, labels=labels)
    return 0


def _convert(options: argparse.Namespace) -> int:
    from vidlab.models.convert import convert

    _check_suffix(options.target, (".safetensors",))
    convert(options.source, options.target)
    say(f"wrote {options.target}")
    return 0


def _export(options: argparse.Namespace) -> int:
    from vidlab.exporting import export
    from vidlab.models import load_model

    model = options.model
    if options.labels or options.card:
        model = load_model(model, backend="torch", labels=options.labels, card=options.card)
    path = export(
        model,
        options.out,
        to=options.to,
        calibration=options.calibration,
        certificate=not options.no_certificate,
    )
    say(f"wrote {path}")
    return 0


def _lab(options: argparse.Namespace) -> int:
    """Become the Jupyter server, so that Ctrl-C reaches it and nothing is left behind."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise MissingDependencyError(
            'vidlab lab needs JupyterLab. Run: pip install "vidlab[notebook]"'
        )
    notebook: Path = options.notebook
    if not notebook.exists():
        raise OptionError(f"There is no notebook at {str(notebook)!r}.")
    if notebook.is_absolute() or ".." in notebook.parts:
        raise OptionError(f"Give a notebook below this folder; got {str(notebook)!r}.")
    for name in ("VIDLAB_MODELS", "VIDLAB_CACHE"):
        # Kernels run in the notebook's folder, where a relative path would mean another place.
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).resolve())
    no_browser = os.environ.get("VIDLAB_NO_BROWSER", "") not in ("", "0")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    command = lab_command(notebook, browser=not no_browser, is_root=is_root)
    say(f"JupyterLab opens {notebook}; Ctrl-C here stops it")
    os.execv(command[0], command)


def lab_command(notebook: Path, *, browser: bool, is_root: bool) -> list[str]:
    """Return the command line that serves this folder with `notebook` as its first page."""
    return [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={Path.cwd()}",
        # Given as a file to open, the notebook would be missing from the printed address.
        f"--LabApp.default_url=/lab/tree/{quote(notebook.as_posix())}",
        "--ServerApp.answer_yes=True",
        *("--ServerApp.log_level=ERROR", "--LabApp.log_level=ERROR"),
        *([] if browser else ["--no-browser"]),
        *(["--allow-root"] if is_root else []),
    ]


def _load(name: str, options: argparse.Namespace) -> Any:
    from vidlab.models import load_model

    return load_model(
        name,
        backend=options.backend,
        num_threads=options.threads,
        max_results=options.top,
        labels=options.labels,
        card=options.card,
    )


def _fps(text: str | None) -> Any:
    if text is None or text == "source":
        return text
    try:
        return float(text)
    except ValueError:
        raise OptionError(f'--fps takes a number or "source"; got {text!r}.') from None


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse a report or a table that could not be written, before the work is done."""
    for path, allowed in ((options.report, (".html", ".htm")), (options.out, _TABLE_SUFFIXES)):
        if path is not None:
            _check_suffix(path, allowed)
            check_writable(path)


def _check_suffix(path: Path, allowed: tuple[str, ...]) -> None:
    if path.suffix not in allowed:
        raise OptionError(f"{str(path)!r} must end in {' or '.join(allowed)}.")


def _warn_in_one_line(message: Any, *_details: Any, **_more: Any) -> None:
    print(f"vidlab: warning: {message}", file=sys.stderr)
