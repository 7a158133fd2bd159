#!/usr/bin/env bash
# Make a virtual environment with soltrace in it, editable, and what developing it takes.
#     environment.sh DIRECTORY PYTHON CONSTRAINTS
# One that was made with another Python is made anew. Safe to repeat.
set -euo pipefail
directory=$1 python=$2 constraints=$3

"$python" scripts/check_python.py
version_of() { "$1" -c 'import sys; print(sys.version.split()[0])' 2>/dev/null; }
if [ "$(version_of "$directory/bin/python")" != "$(version_of "$python")" ]; then
    rm -rf "$directory"
    "$python" -m venv "$directory"
fi
echo "==> environment: $directory, Python $(version_of "$python"), pinned by $constraints (a minute or two the first time)"
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check -c "$constraints" -e '.[dev,demo]'
