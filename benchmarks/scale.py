"""What a unit of a very large run costs: the figures that docs/scale.md reckons with.

    python benchmarks/scale.py --model litert:movinet-a0-stream --video clip.mp4 other.mp4
    python benchmarks/scale.py --entries 20000

Costs of computing are processor time, the least of the repeats, which other load on the machine
hardly touches. For what a folder with many videos costs, one is answered, and it and its answers
are given many names by hard links: nothing is computed again.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq

import vidlab as vl
from vidlab.feeding import processor_name
from vidlab.many.store import Store
from vidlab.many.work import Task
from vidlab.models.base import Model

SAMPLE = Path(__file__).parents[1] / "data" / "jumping_jacks.mp4"


def processor_seconds(job: Callable[[], object], repeats: int) -> float:
    """Return the least processor time that a job took."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        job()
        times.append(time.process_time() - begin)
    return min(times)


def wall_seconds(job: Callable[[], object]) -> float:
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


def decode(path: Path) -> None:
    with av.open(str(path)) as container:
        for _ in container.decode(container.streams.video[0]):
            pass


def print_costs(model: Model, paths: list[Path], repeats: int, folder: Path) -> None:
    """Print core-seconds and bytes for each hour of video."""
    print(f"{model!r}, core-seconds and MB for an hour of video")
    print(f"{'video':30}{'decode':>8}{'scale':>8}{'infer':>8}{'predict':>9}{'MB':>7}{'kB/file':>9}")
    for path in paths:
        with vl.Video(path) as video:
            hours = video.duration_seconds / 3600
            size = f"{video.width}x{video.height}, {video.fps:.0f} fps, {video.codec}"
        answers = vl.predict(path, model, progress=False)
        with vl.Video(path) as video:
            frames = [video[int(index)].rgb for index in answers.frame_index]
        scaled = np.stack([model.preprocessing(rgb) for rgb in frames])
        jobs = {
            "decode": lambda path=path: decode(path),
            "scale": lambda frames=frames: [model.preprocessing(rgb) for rgb in frames],
            "infer": lambda scaled=scaled: model.step(scaled, model.init_state()),
            "predict": lambda path=path: vl.predict(path, model, progress=False),
        }
        costs = [processor_seconds(job, repeats) / hours for job in jobs.values()]
        store = Store(folder / "one")
        store.write_answers(answers, model="m", about={})
        file = store.answers_file(answers.video, "m")
        kept = pq.read_metadata(file)
        columns = sum(
            kept.row_group(group).column(column).total_compressed_size
            for group in range(kept.num_row_groups)
            for column in range(kept.num_columns)
        )
        fixed = file.stat().st_size - columns
        print(
            f"{size:30}{costs[0]:8.0f}{costs[1]:8.0f}{costs[2]:8.0f}{costs[3]:9.0f}"
            f"{columns / hours / 1e6:7.1f}{fixed / 1e3:9.1f}"
        )


def print_folder(model: Model, num_entries: int, folder: Path) -> None:
    """Print what it takes to go on with a run of many videos, and to look at it."""
    videos, out = folder / "videos", folder / "run"
    videos.mkdir()
    first = Path(shutil.copy(SAMPLE, videos / "0.mp4"))
    run = vl.predict_many(videos, model, out=out, workers=1, progress=False)
    store, (name,) = Store(out), run.models
    for number in range(1, num_entries):
        os.link(first, videos / f"{number}.mp4")
        os.link(store.answers_file("0.mp4", name), store.answers_file(f"{number}.mp4", name))
    again: dict[str, Callable[[], Any]] = {
        "going on where all is done": lambda: vl.predict_many(
            videos, model, out=out, workers=1, progress=False
        ),
        "open_run(...).videos": lambda: vl.open_run(out).videos,
        "open_run(...).clips": lambda: vl.open_run(out).clips,
        "open_run(...).dataset().count_rows()": lambda: vl.open_run(out).dataset().count_rows(),
    }
    print(f"{num_entries} videos, {len(list(store.answers.rglob('*.parquet')))} files of answers")
    for told, job in again.items():
        print(f"  {told:40}{wall_seconds(job):8.1f} s")
    print(f"  {'videos.json':40}{(out / 'videos.json').stat().st_size / 1e6:8.2f} MB")


def print_dask(num_tasks: int) -> None:
    """Print what Dask takes for a task that does nothing."""
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        def do_nothing() -> None:
            tasks = [Task(video=f"{number:08}.mp4", path="") for number in range(num_tasks)]
            for future in distributed.as_completed(client.map(str, tasks, pure=False)):
                future.release()

        seconds = wall_seconds(do_nothing)
        # The scheduler of such a cluster is in this process, with the client.
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"{num_tasks} tasks of Dask on 2 workers: {1e3 * seconds / num_tasks:.2f} ms and "
        f"{grown / num_tasks:.1f} KiB each"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="litert:stickactions-a0-stream")
    parser.add_argument("--video", type=Path, nargs="*", default=[SAMPLE])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--entries", type=int, default=0, help="videos in a folder (default: none)")
    parser.add_argument("--tasks", type=int, default=0, help="tasks of Dask (default: none)")
    options = parser.parse_args()
    print(f"{processor_name()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        model = vl.load_model(options.model, num_threads=1)
        if options.entries:
            print_folder(model, options.entries, Path(folder))
        if options.tasks:
            print_dask(options.tasks)
        if not options.entries and not options.tasks:
            print_costs(model, options.video, options.repeats, Path(folder))


if __name__ == "__main__":
    main()
