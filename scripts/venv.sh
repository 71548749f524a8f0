#!/bin/sh
# Make .venv with a Python that vidlab runs on, then install vidlab[EXTRA] into it.
#
# usage: sh scripts/venv.sh EXTRA        EXTRA: all, or dev (all and what tests need)
#
# PYTHON=/path/to/python picks the Python. Nothing is done where nothing is to be done.
set -eu

extra=${1:?usage: sh scripts/venv.sh EXTRA}
cd "$(dirname "$0")/.."
root=$(pwd -P)

# A test holds these to requires-python of pyproject.toml.
oldest=11
newest=13

in_range="import sys; raise SystemExit(not (3, $oldest) <= sys.version_info[:2] <= (3, $newest))"

fail() {
    printf 'vidlab: %s\n' "$@" >&2
    exit 1
}

# A folder that was moved, or half made, or made by another Python, is made again.
is_sound() {
    [ -x .venv/bin/python ] &&
        grep -qF -e "$root/.venv" .venv/pyvenv.cfg &&
        .venv/bin/python -c "$in_range" &&
        .venv/bin/python -c 'import pip'
} 2>/dev/null

# Sets `python` to the first that fits, else says what to install.
find_python() {
    too_old='' bare=''
    for name in ${PYTHON:+"$PYTHON"} $(
        [ -n "${PYTHON:-}" ] || echo python3.11 python3.12 python3.13 python3 python
    ); do
        "$name" -c '' >/dev/null 2>&1 || continue
        version=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        if ! "$name" -c "$in_range"; then
            too_old="$too_old $name is $version;"
        elif ! "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            bare=${bare:-$version}
        else
            python=$name
            return
        fi
    done
    if [ -n "$bare" ]; then
        fail "Python $bare is here, but without the modules venv and ensurepip." \
            "On Debian or Ubuntu run: apt-get install python$bare-venv (as root), then try again."
    fi
    fail "needs Python 3.$oldest to 3.$newest, and found none (${too_old:- no python3 on PATH;} \
PYTHON=${PYTHON:-not set})." \
        "On Debian or Ubuntu run: apt-get install python3.$oldest python3.$oldest-venv (as root);" \
        "elsewhere get it from https://www.python.org/downloads/. For one that is not on PATH:" \
        "make PYTHON=/path/to/python3.$oldest …"
}

if ! is_sound; then
    find_python
    printf 'vidlab: making .venv with %s\n' "$("$python" --version)" >&2
    "$python" -m venv --clear "$root/.venv"
fi
exec .venv/bin/python scripts/install.py "$extra"
