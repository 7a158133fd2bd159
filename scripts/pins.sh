#!/usr/bin/env bash
# Write constraints.txt: the newest versions that pyproject.toml allows, as a fresh environment gets them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
echo "==> resolving in a fresh environment"
"${PYTHON:-python3}" -m venv "$fresh"
"$fresh/bin/python" -m pip install --quiet --disable-pip-version-check '.[dev,demo]'
{
    echo "# Exact versions of everything in the development environment. Written by \`make pins\`."
    "$fresh/bin/python" -m pip freeze --exclude soltrace
} >constraints.txt
echo "==> constraints.txt: $(grep -c == constraints.txt) pins"
