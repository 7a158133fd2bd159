#!/usr/bin/env bash
# Print the path of the newest Python that is there, of the versions given; of all that soltrace supports if none are.
#     find_python.sh          find_python.sh 3.11
# On PATH, or installed by pyenv. What can't make a virtual environment does not count, nor does what only complains:
# pyenv leaves commands on PATH for versions that are not active.
set -euo pipefail
[ $# -gt 0 ] || set -- 3.14 3.13 3.12 3.11

for version in "$@"; do
    mapfile -t on_path < <(type -aP "python$version")
    mapfile -t by_pyenv < <(printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/"python$version" | sort -rV)
    for candidate in "${on_path[@]}" "${by_pyenv[@]}"; do
        # Its own path, not that of a shim, which may lead elsewhere in another directory.
        "$candidate" -c 'import ensurepip, sys, venv; print(sys.executable)' 2>/dev/null && exit 0
    done
done
echo "No Python was found, of: $*. Install one, or say where it is: make PYTHON=/path/to/python3 ..." >&2
exit 1
