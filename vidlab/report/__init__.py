"""Results as one HTML file each: no network, no server, every text escaped."""

from __future__ import annotations

from vidlab.report.comparison import write_report
from vidlab.report.study import write_study_report

__all__ = ["write_report", "write_study_report"]
