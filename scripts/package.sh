#!/usr/bin/env bash
# Build the wheel and the source distribution into dist/, install each into an environment of its own, away from this
# checkout, and try it.
#     package.sh PYTHON       one that has `build`
set -euo pipefail
python=$1
here=$PWD
rm -rf dist
echo "==> building"
"$python" -m build --outdir dist . >/dev/null
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
for file in dist/*; do
    echo "==> trying $file"
    rm -rf "$fresh/venv"
    "$python" -m venv "$fresh/venv"
    "$fresh/venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt "$file"
    (cd "$fresh" && venv/bin/python -W error "$here/scripts/smoke.py")
done
