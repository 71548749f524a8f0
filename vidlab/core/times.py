"""Times as people read them."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """Return seconds as ``mm:ss.mmm``, or ``h:mm:ss.mmm`` from an hour on."""
    thousandths = round(abs(seconds) * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes:02d}"
    sign = "-" if seconds < 0 and thousandths else ""
    return f"{sign}{start}:{rest // 1000:02d}.{rest % 1000:03d}"
