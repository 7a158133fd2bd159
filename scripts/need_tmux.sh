#!/usr/bin/env bash
# Make sure that tmux is there: the tests of the live view look at a real terminal's screen.
set -euo pipefail
command -v tmux >/dev/null && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "==> tmux: installing it with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null && apt-get install -y -qq tmux >/dev/null && exit 0
fi
echo "The tests need tmux, which is not here and can't be installed from here: apt-get install tmux (or brew install tmux)." >&2
exit 1
