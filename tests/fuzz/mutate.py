"""Files made from good ones by seeded damage, each read where it can take down nothing else.

The case of a number is always the same: which file, what damage (in runs and recordings, but for
what a clock said). Workers read many cases each; one that dies, hangs or takes too much memory is a
finding, and the next case gets a new worker::

    python tests/fuzz/mutate.py --cases 5000          # many; prints what failed
    python tests/fuzz/mutate.py --case 1234           # one, in this process, with its traceback
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gzip
import importlib
import io
import json
import os
import re
import resource
import select
import subprocess
import sys
import tempfile
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from targets import Target  # noqa: E402

# Another module's targets, for tests of what is here.
TARGETS: tuple[Target, ...] = importlib.import_module(
    os.environ.get("VIDLAB_FUZZ_TARGETS", "targets")
).TARGETS

SEED = 20_240_607

# What a case may take. Seconds of computing are counted by the kernel, so that a busy machine makes
# no findings; on the wall it may be several times that, which catches what waits for ever.
SECONDS = 10
_WALL_FACTOR = 6
_IMPORT_SECONDS = 120
GROWTH_BYTES = int(os.environ.get("VIDLAB_FUZZ_GROWTH_BYTES", 1 << 30))

# What a worker may reserve beyond what it has after its imports: it keeps the machine alive.
_RESERVE_BYTES = 6 << 30

_EXTREMES = (0, 1, 2, 3, 5, 7, 8, 16, 127, 128, 255, 256, 65535, 65536, 1 << 20, 0x7FFF_FFFF,
             0x8000_0000, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF)  # fmt: skip
_WORDS = ("\0", "nan", "inf", "-1", "1e999", "9" * 400, "null", "true", '"', "'", ",", "\n", "\r\n",
          "[", "]]", "{", "}", "=", "[[" * 500, "../../x", "/etc/passwd", "\u202e", "\ufeff", "\\u",
          "\ud7a3" * 300, "<script>", "%s%n", "2000-01-01", "0x1", "1_0", "; ")  # fmt: skip

# Boxes of an MP4 file that hold boxes (ISO/IEC 14496-12, 4.2 and 8).
_CONTAINERS = frozenset(
    (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"udta", b"mvex", b"moof",
     b"traf")
)  # fmt: skip

Random = np.random.Generator


# ---- damage ----------------------------------------------------------------------------------


def mutated(data: bytes, target: Target, random: Random) -> bytes:
    """Return a file with one to four damages, none of which is certain to change a byte."""
    if target.suffix in (".keras", ".pt", ".pth") and random.integers(4) == 0:
        return _number(_flip(data, random), random)
    # PyTorch's older files are pickles.
    if target.suffix in (".keras", ".pt", ".pth", ".zip") and zipfile.is_zipfile(io.BytesIO(data)):
        return _in_zip(data, random)
    if target.suffix == ".tgz" and random.integers(4):
        return gzip.compress(_damaged(gzip.decompress(data), "", random, is_text=False), mtime=0)
    return _damaged(data, target.suffix, random, is_text=target.is_text)


def _damaged(data: bytes, suffix: str, random: Random, *, is_text: bool) -> bytes:
    if suffix == ".parquet" and random.integers(2):
        return _in_table(data, random)
    if suffix == ".safetensors" and random.integers(2):
        return _in_header(data, random)
    if suffix == ".npy" and random.integers(4):
        return _in_array(data, random)
    if suffix == ".npz" and random.integers(4):
        return _in_zip(data, random)
    kinds = [_flip, _number, _number, _small, _small, _cut, _move]
    if suffix == ".mp4":
        kinds += [_box] * 5
    if suffix == ".json":
        kinds += [_digit] * 3 + [_value] * 12
    if is_text:
        kinds += [_word] * 6 + [_line] * 8
    for _ in range(int(random.choice([1, 1, 2, 4]))):
        data = kinds[int(random.integers(len(kinds)))](data, random)
    return data


def _place(data: bytes, random: Random) -> int:
    """Return a position: more often in the first or last 4 KB, where headers and indices are."""
    size = max(len(data), 1)
    near = int(random.integers(min(size, 4096)))
    return (int(random.integers(size)), near, size - 1 - near)[int(random.integers(3))]


def _flip(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(int(random.integers(1, 12)) if data else 0):
        changed[_place(data, random)] = int(random.integers(256))
    return bytes(changed)


def _number(data: bytes, random: Random) -> bytes:
    """Put a number at a limit of its type where there may have been a size or a count."""
    size = int(random.choice([1, 2, 4, 8]))
    start = _place(data, random) // size * size
    value = _EXTREMES[int(random.integers(len(_EXTREMES)))] % (1 << (8 * size))
    order = "big" if random.integers(2) else "little"
    return data[:start] + value.to_bytes(size, order) + data[start + size :]


def _small(data: bytes, random: Random) -> bytes:
    """Change a small 32-bit number: most often it is a size, a count, an index or an offset."""
    num = len(data) // 4
    numbers = np.frombuffer(data[: num * 4], ">i4" if random.integers(2) else "<i4").copy()
    small = np.flatnonzero((numbers > -70_000) & (numbers < 70_000))
    if not len(small):
        return data
    at = int(random.choice(small))
    step = int(random.choice([-1, 1, 4, 100]))
    limit = _EXTREMES[int(random.integers(len(_EXTREMES)))] % (1 << 31)
    numbers[at] = numbers[at] + step if random.integers(2) else limit
    return numbers.tobytes() + data[num * 4 :]


def _cut(data: bytes, random: Random) -> bytes:
    start = _place(data, random)
    length = int(random.choice([1, 4, 100, 4096, len(data)]))
    return data[:start] + data[start + length :]


def _move(data: bytes, random: Random) -> bytes:
    """Repeat a part, in place of another or between two."""
    start, to = _place(data, random), _place(data, random)
    part = data[start : start + int(random.integers(1, 2000))] * int(random.choice([1, 1, 2, 50]))
    return data[:to] + part + data[to + len(part) * int(random.integers(2)) :]


def _word(data: bytes, random: Random) -> bytes:
    start = _place(data, random)
    word = _WORDS[int(random.integers(len(_WORDS)))].encode()
    return data[:start] + word + data[start + int(random.integers(8)) :]


def _line(data: bytes, random: Random) -> bytes:
    """Take away, repeat or move a line, or put another value into it."""
    lines = data.split(b"\n")
    at, to = (int(random.integers(len(lines))) for _ in range(2))
    match int(random.integers(4)):
        case 0:
            del lines[at]
        case 1:
            lines.insert(to, lines[at])
        case _:
            mark = b"=" if b"=" in lines[at] else b","
            parts = lines[at].split(mark)
            word = _WORDS[int(random.integers(len(_WORDS)))].encode()
            parts[int(random.integers(len(parts)))] = word
            lines[at] = mark.join(parts)
    return b"\n".join(lines)


def _box(data: bytes, random: Random) -> bytes:
    """Change a box of an MP4 file: its size, its name, a number in it, how often, where it is."""
    boxes = list(_boxes(data, 0, len(data)))
    if not boxes:
        return data
    start, end = boxes[int(random.integers(len(boxes)))]
    box, limit = data[start:end], _EXTREMES[int(random.integers(len(_EXTREMES)))] & 0xFFFF_FFFF
    match int(random.integers(6)):
        case 0:
            box = limit.to_bytes(4, "big") + box[4:]
        case 1:
            other, _ = boxes[int(random.integers(len(boxes)))]
            box = box[:4] + data[other + 4 : other + 8] + box[8:]
        case 2:
            at = 8 + 4 * int(random.integers(max((len(box) - 8) // 4, 1)))
            box = box[:at] + limit.to_bytes(4, "big") + box[at + 4 :]
        case 3:
            box *= int(random.choice([0, 2, 40]))
        case 4:
            for _ in range(int(random.choice([1, 20, 300]))):
                box = (len(box) + 8).to_bytes(4, "big") + box[4:8] + box
        case _:
            _, to = boxes[int(random.integers(len(boxes)))]
            return data[:to] + box + data[to:]
    return data[:start] + box + data[end:]


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        if size < 8 or start + size > end:
            return
        yield start, start + size
        if data[start + 4 : start + 8] in _CONTAINERS:
            yield from _boxes(data, start + 8, start + size)
        start += size


def _in_header(data: bytes, random: Random) -> bytes:
    """Change a safetensors file's description, and say its length truly."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = data[8:end]
    for _ in range(int(random.integers(1, 3))):
        header = (_word, _flip, _digit, _digit)[int(random.integers(4))](header, random)
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def _digit(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    digits = [place for place, byte in enumerate(changed) if byte in b"0123456789"]
    if digits:
        changed[int(random.choice(digits))] = int(random.choice(list(b"0123456789-.")))
    return bytes(changed)


def _in_table(data: bytes, random: Random) -> bytes:
    """Write a sound Parquet file of which a column, a value or the description is wrong."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    at = int(random.integers(table.num_columns))
    name, column = table.column_names[at], table.column(at)
    match int(random.integers(6)):
        case 0:
            table = table.drop_columns([name])
        case 1:
            values: list[object] = column.to_pylist()
            wrong = (None, "x", float("nan"), float("inf"), -1, 2**40, [], [[1.0]], {"a": 1})
            chosen = wrong[int(random.integers(len(wrong)))]
            if random.integers(2):
                values = [chosen] * len(values)
            elif column.type in (pa.int64(), pa.float32(), pa.float64()) and at:
                values[int(random.integers(len(values)))] = None
            else:
                values = [str(value) for value in values]
            table = table.set_column(at, name, pa.array(values))
        case 2:
            rows = int(random.choice([0, 1, table.num_rows - 1]))
            table = table.slice(rows) if random.integers(2) else table.slice(0, rows)
        case 3:
            table = table.take(pa.array(random.permutation(table.num_rows)))
        case 4:
            table = table.append_column(name, column)
        case _:
            described = dict(table.schema.metadata or {})
            for key in described:
                change = (_word, _digit, _flip)[int(random.integers(3))]
                described[key] = change(described[key], random)
            table = table.replace_schema_metadata(described)
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _in_zip(data: bytes, random: Random) -> bytes:
    """Damage a file in an archive, under a right checksum; or take it away, or empty it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    # A file of PyTorch's says in one of hundreds what the others are.
    pickles = [name for name in files if name.endswith(".pkl")]
    among = pickles if pickles and random.integers(2) else sorted(files)
    chosen = among[int(random.integers(len(among)))]
    match int(random.integers(12)):
        case 0:
            del files[chosen]
        case 1:
            files[chosen] = b""
        case _:
            suffix = Path(chosen).suffix
            is_text = suffix in (".json", ".jsonl", ".toml", ".txt")
            files[chosen] = _damaged(files[chosen], suffix, random, is_text=is_text)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # which bears no time of its own
    return out.getvalue()


def _in_array(data: bytes, random: Random) -> bytes:
    """Change what an array file says of itself, or the JSON that its bytes are."""
    end = 10 + int.from_bytes(data[8:10], "little")  # numpy.lib.format, version 1.0
    head, body = data[10:end], data[end:]
    if body[:1] == b"{":
        body = (_value, _value, _digit)[int(random.integers(3))](body, random)
        head = head.rstrip()
        head = re.sub(rb"\((\d+),\)", b"(%d,)" % len(body), head)
    else:
        head = (_digit, _word, _flip)[int(random.integers(3))](head, random)
    return data[:8] + len(head).to_bytes(4, "little")[:2] + head + body


def _value(data: bytes, random: Random) -> bytes:
    """Put another value into sound JSON, or take one away, at any depth."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):  # an earlier damage
        return data
    held = list(_held(whole))
    if not held:
        return data
    holder, key = held[int(random.integers(len(held)))]
    values: tuple[object, ...] = (
        None, True, -1, 0, 2**70, 1e999, 0.5, "", "x", "../../x", "\ud800", "a\0b", [], {}, [[]],
        {"a": None}, ["x"] * 3,
    )  # fmt: skip
    chosen = int(random.integers(len(values) + 3))
    if chosen < len(values):
        holder[key] = values[chosen]
    else:
        del holder[key]
    return json.dumps(whole).encode()


def _held(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each list or dictionary in plain data with each of its indices or keys."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _held(value[key])


# ---- cases -----------------------------------------------------------------------------------

_TURNS = tuple(target for target in TARGETS for _ in range(target.share))


def target_of(number: int) -> Target:
    """Return which kind of file a case is."""
    return _TURNS[number % len(_TURNS)]


def make_good_files(folder: Path) -> None:
    """Write the good file of each target, where it is not yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for target in TARGETS:
        path = good_file(target, folder)
        if not path.exists():
            target.make(path)


def good_file(target: Target, folder: Path) -> Path:
    """Return where the good file of a target is."""
    return folder / (target.name.replace(" ", "-") + target.suffix)


def write_case(number: int, good: Path, to: Path) -> Path:
    """Write the file of a case; return its path."""
    target = target_of(number)
    data = good_file(target, good).read_bytes()
    path = to / f"case{target.suffix}"
    path.write_bytes(mutated(data, target, np.random.default_rng([SEED, number])))
    return path


# ---- workers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """A case that broke the promise."""

    number: int
    what: str

    def __str__(self) -> str:
        return (
            f"case {self.number} ({target_of(self.number).name}): {self.what}\n"
            f"  again: python tests/fuzz/mutate.py --case {self.number}"
        )


def run_cases(
    numbers: Sequence[int], good: Path, *, seconds: int = SECONDS
) -> tuple[list[Finding], Counter[str]]:
    """Run cases, those of a group after another, and print what broke the promise.

    Args:
        numbers: Of the cases.
        good: Folder of the good files.
        seconds: That a case may compute.

    Returns:
        What broke the promise; and how many cases of each target were read or refused.
    """
    make_good_files(good)
    findings, outcomes = [], Counter[str]()
    for group in dict.fromkeys(target.group for target in TARGETS):
        left = [number for number in numbers if target_of(number).group == group]
        while left:
            with Worker(good, seconds) as worker:
                while left:
                    number = left.pop(0)
                    told = worker.ask(number)
                    outcomes[f"{target_of(number).name}: {told['outcome']}"] += 1
                    if told["outcome"] in ("read", "refused"):
                        continue
                    findings.append(Finding(number, f"{told['outcome']}\n{told['detail']}"))
                    print(findings[-1], flush=True)  # a long run may be broken off
                    if told["outcome"] != "traceback":
                        break
        print(f"{group}: {outcomes.total()} of {len(numbers)} cases done", file=sys.stderr)
    return findings, outcomes


class Worker:
    """A process that reads cases, whatever becomes of it."""

    def __init__(self, good: Path, seconds: int) -> None:
        self._good, self._seconds = good, seconds
        self._stack = contextlib.ExitStack()
        self._is_first = True

    def __enter__(self) -> Worker:
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._log = self._stack.enter_context((self._folder / "log").open("w+b"))
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--work", str(self._folder), "--good", str(self._good),
             "--seconds", str(self._seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            bufsize=0,  # a line that Python has read already would not be selected
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._stack.close()

    def ask(self, number: int) -> dict[str, str]:
        """Have a case read; return what became of it."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{number}\n".encode())
        process.stdin.flush()
        told = {"outcome": ""}
        waits = [_IMPORT_SECONDS] * self._is_first + [_WALL_FACTOR * self._seconds]
        self._is_first = False
        for patience in waits:
            ready, _, _ = select.select([process.stdout], [], [], patience)
            if not ready:
                return {"outcome": "hang", "detail": f"no answer in {patience} s"}
            line = process.stdout.readline()
            if not line:
                return self._death()
            told = json.loads(line)
        return told

    def _death(self) -> dict[str, str]:
        """Return how the process came to its end, in the words of its own log."""
        status = self._process.wait()
        self._log.seek(0)
        log = self._log.read().decode(errors="replace")[-3000:]
        return {"outcome": "crash", "detail": f"the process ended with {status}\n{log}"}


def work(folder: Path, good: Path, seconds: int) -> None:
    """Read cases whose numbers come on standard input, and tell what became of each."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print
    faulthandler.enable()
    warnings.simplefilter("ignore")
    is_first = True
    for line in sys.stdin:
        number = int(line)
        if is_first:  # what the group imports is not the first case's fault
            target = target_of(number)
            target.warm(good_file(target, good))
            reserved = _status("VmSize") + _RESERVE_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (reserved, reserved))
            is_first = False
            answers.write("{}\n")  # ready: the first case's time begins
            answers.flush()
        answers.write(json.dumps(_told(number, folder, good, seconds)) + "\n")
        answers.flush()


def _told(number: int, folder: Path, good: Path, seconds: int) -> dict[str, str]:
    from vidlab.core.errors import VidlabError

    path = write_case(number, good, folder)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(usage.ru_utime + usage.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (man 5 proc)
    before = _status("VmRSS")
    outcome, detail = "read", ""
    try:
        target_of(number).read(path)
    except VidlabError as error:
        outcome, detail = "refused", f"{type(error).__name__}: {error}"
    except Exception:
        outcome, detail = "traceback", traceback.format_exc()[-3000:]
    grown = _status("VmHWM") - before
    if grown > GROWTH_BYTES:
        outcome, detail = "memory", f"{grown / 2**20:.0f} MiB more than before; {detail}"
    return {"outcome": outcome, "detail": detail}


def _status(name: str) -> int:
    """Return a size that the kernel knows of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


# ---- by hand ---------------------------------------------------------------------------------


def main() -> None:
    """Run cases from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=300, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--only", help="a target by name")
    parser.add_argument("--case", type=int, help="one alone, in this process")
    parser.add_argument("--good", type=Path, help="folder that keeps the good files")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="that a case may compute")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.good, options.seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        good = options.good or Path(folder)
        if options.case is not None:
            make_good_files(good)
            path = write_case(options.case, good, Path(tempfile.mkdtemp(prefix="vidlab-fuzz-")))
            print(f"{target_of(options.case).name}: {path}")
            target_of(options.case).read(path)
            return
        numbers = [
            number
            for number in range(options.first, options.first + options.cases)
            if options.only in (None, target_of(number).name)
        ]
        findings, outcomes = run_cases(numbers, good, seconds=options.seconds)
    for what, count in sorted(outcomes.items()):
        print(f"{count:6} {what}")
    print(f"{len(numbers)} cases, seed {SEED}: {len(findings)} findings")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
