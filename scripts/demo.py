"""The main job without a browser: two or three runtimes on one video, a table and a report.

``make demo`` runs it on the sample video, ``make demo VIDEO=clip.mp4`` on another. It writes
``demo/report.html`` and ``demo/predictions.parquet``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

import vidlab as vl
from vidlab.cli import print_comparison, save_table
from vidlab.core.errors import DownloadError, WeightsNotFoundError
from vidlab.models import Model
from vidlab.report import write_report

ROOT = Path(__file__).parents[1]
BACKENDS = ("torch", "tfhub", "litert")


def load_models() -> list[Model]:
    """Load the model on every runtime whose weights are to be had; two are enough."""
    name = vl.default_model()
    models, missing = [], []
    for backend in BACKENDS:
        try:
            models.append(vl.load_model(name, backend=backend))
        except (DownloadError, WeightsNotFoundError) as error:
            print(f"vidlab: without {backend}: {error}", file=sys.stderr)
            missing.append(error)
    if len(models) < 2:
        raise missing[0]
    return models


def main() -> int:
    """Run the comparison and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", nargs="?", default=ROOT / "data" / "jumping_jacks.mp4", type=Path)
    parser.add_argument("--out", default=ROOT / "demo", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    try:
        video = vl.Video(options.video)
        models = load_models()
        both = vl.compare(video, models)
        print(video)
        print_comparison(both)
        save_table(
            pd.concat([item.table for item in both.predictions], ignore_index=True),
            options.out / "predictions.parquet",
        )
        write_report(both, options.out / "report.html")
    except vl.VidlabError as error:
        print(f"vidlab: {error}", file=sys.stderr)
        return 2
    for name in ("report.html", "predictions.parquet"):
        path = options.out / name
        print(f"wrote {path} ({path.stat().st_size / 1000:.0f} kB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
