"""A run's folder in the hands of other tools: DuckDB, Dask, pandas and pyarrow read the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dask.dataframe as dd
import duckdb
import pandas as pd
import pyarrow.dataset as pads
import pytest
import synthetic
from networks import model_of, random_network

import vidlab as vl

VIDEOS = ["a.mp4", "b.mp4", "sub/걷기 c=1%.mp4"]
FIRST, LAST = "a model", "두 번째=%2F/z"
KEYS = ["model", "video"]


@pytest.fixture(scope="module", params=["stream", "clip"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> vl.Run:
    """Three videos, and two models of either kind; readers come to one or the other first."""
    folder = tmp_path_factory.mktemp("readers")
    (folder / "videos" / "sub").mkdir(parents=True)
    for number, name in enumerate(VIDEOS):
        synthetic.make_video(folder / "videos" / name, num_frames=40 + 25 * number, size=(96, 72))
    stream = vl.load_model("stickactions-xs-stream", backend="litert", num_threads=1)
    clip = model_of(random_network(kind="base"), folder)
    models = (stream, clip) if request.param == "stream" else (clip, stream)
    return vl.predict_many(
        folder / "videos",
        dict(zip((FIRST, LAST), models, strict=True)),
        out=folder / "run",
        workers=1,
        max_results=3,
        progress=False,
    )


def summed(table: pd.DataFrame) -> pd.DataFrame:
    """Rows, clips and likeliest label of each model and video, in pandas."""
    table = table.astype({"model": str})
    rows = table.groupby(KEYS).agg(rows=("rank", "size"), clips=("clip_start", "count"))
    labels = table.groupby([*KEYS, "label"])["probability"].sum().reset_index()
    best = labels.sort_values("probability").groupby(KEYS).tail(1).set_index(KEYS)["label"]
    return rows.assign(label=best)


def by_duckdb(answers: Path) -> pd.DataFrame:
    files = f"read_parquet('{answers}/*/*.parquet', hive_partitioning = true)"
    found = duckdb.sql(
        f"""
        with labels as (
            select model, video, label, sum(probability) as mass from {files} group by all
        ),
        best as (select model, video, arg_max(label, mass) as label from labels group by all)
        select model, video, count(*) as rows, count(clip_start) as clips, any_value(best.label)
            as label from {files} join best using (model, video) group by all
        """
    ).df()
    return found.set_index(KEYS)


def by_dask(answers: Path) -> pd.DataFrame:
    table = dd.read_parquet(answers)
    assert table.npartitions > 1
    table["model"] = table["model"].astype(str)
    rows = table.groupby(KEYS).agg({"rank": "size", "clip_start": "count"}).compute()
    labels = table.groupby([*KEYS, "label"])["probability"].sum().compute().reset_index()
    best = labels.sort_values("probability").groupby(KEYS).tail(1).set_index(KEYS)["label"]
    return rows.set_axis(["rows", "clips"], axis=1).assign(label=best)


def by_pandas(answers: Path) -> pd.DataFrame:
    return summed(pd.read_parquet(answers))


def by_pyarrow(answers: Path) -> pd.DataFrame:
    return summed(pads.dataset(answers, partitioning="hive").to_table().to_pandas())


@pytest.mark.parametrize("reader", [by_duckdb, by_dask, by_pandas, by_pyarrow])
def test_readers_agree_on_what_the_models_said(
    run: vl.Run, reader: Callable[[Path], pd.DataFrame]
) -> None:
    found = reader(run.folder / "answers")
    expected = []
    for model in run.models:
        for video in VIDEOS:
            alone = run.predictions(video, model)
            masses = alone.table.groupby("label")["probability"].sum()
            clips = 0 if alone.clip_start is None else len(alone.clip_start)
            expected.append((model, video, len(alone.table), clips, masses.idxmax()))
    wanted = pd.DataFrame(expected, columns=[*KEYS, "rows", "clips", "label"]).set_index(KEYS)
    assert wanted["clips"].gt(0).sum() == len(VIDEOS)
    assert len(found) == len(wanted)
    pd.testing.assert_frame_equal(
        found.loc[wanted.index, list(wanted)], wanted, check_dtype=False, check_index_type=False
    )


def test_a_reader_opens_only_the_files_that_it_is_asked_about(run: vl.Run) -> None:
    (run.folder / "answers" / f"model={FIRST}" / "not-parquet.parquet").write_bytes(b"no")
    try:
        files = f"read_parquet('{run.folder}/answers/*/*.parquet', hive_partitioning = true)"
        (found,) = duckdb.execute(
            f"select count(distinct video) from {files} where model = ?", [LAST]
        ).fetchall()
        assert found == (len(VIDEOS),)
    finally:
        (run.folder / "answers" / f"model={FIRST}" / "not-parquet.parquet").unlink()
