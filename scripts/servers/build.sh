#!/usr/bin/env bash
# Build the servers that the tests talk to, from the Go modules pinned beside this file: Jaeger, the OpenTelemetry
# collector, Prometheus with promtool, VictoriaLogs; and install JupyterLab, marimo, MLflow and Spark, from Python
# packages. Safe to repeat and to run twice at once: what was made from these pins is not made again. The last line says
# where they are.
#     SOLTRACE_SERVERS_DIR    where they go; ~/.cache/soltrace/servers if not given
set -euo pipefail
PATH=$PATH:/usr/local/go/bin # where Go's own archive is unpacked to
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${SOLTRACE_SERVERS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/soltrace/servers}
mkdir -p "$out"
export GOFLAGS="-buildvcs=false -trimpath"
export LC_ALL=C # one order of the files, wherever the digest is made

# The same digest as in tests/stack/servers.py, which refuses what was made from other pins.
digest() { (cd "$here/$1" && cat ./* | sha256sum | cut -d' ' -f1); }

# build PROGRAM PINS ARGUMENTS...: one program, unless it is there
build() {
    local program=$1 pins=$2 wanted started
    shift 2
    wanted=$(digest "$pins")
    if [ -x "$out/$program" ] && [ "$(cat "$out/$program.pins" 2>/dev/null)" = "$wanted" ]; then return; fi
    echo "==> $program: building it (all five take about nine minutes the first time)"
    started=$SECONDS
    rm -f "$out/$program.pins"
    (cd "$here/$pins" && go build -ldflags="-s -w" -o "$out/$program.new" "$@")
    mv "$out/$program.new" "$out/$program" # in one move: a test that runs the old one keeps it
    echo "$wanted" >"$out/$program.pins"
    echo "==> $program: built in $((SECONDS - started)) s"
}

# install PROGRAM: a Python program with an environment of its own, $out/PROGRAM, unless it is there
install() {
    local program=$1 wanted started
    wanted=$(digest "$program")
    # Its Python may have gone: then nothing of it runs.
    if "$out/$program/bin/python" -c "" 2>/dev/null && [ "$(cat "$out/$program.pins" 2>/dev/null)" = "$wanted" ]; then return; fi
    echo "==> $program: installing it (a minute the first time)"
    started=$SECONDS
    rm -rf "$out/$program.pins" "$out/$program"
    "$("$here/../find_python.sh" 3.13 3.14 3.12)" -m venv "$out/$program" # not moved there: its programs name the place
    "$out/$program/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/$program/requirements.txt"
    echo "$wanted" >"$out/$program.pins"
    echo "==> $program: installed in $((SECONDS - started)) s"
}

"$here/need.sh"
exec 9>"$out/lock"
if ! flock --nonblock 9; then
    echo "==> servers: somebody else is building them; waiting"
    flock 9
fi
build victoria-logs victoria-logs github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs
build prometheus prometheus -tags remove_all_sd github.com/prometheus/prometheus/cmd/prometheus
build promtool prometheus -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool
build otelcol otelcol .
install jupyter-lab
install marimo
install mlflow
install spark
build jaeger jaeger github.com/jaegertracing/jaeger/cmd/jaeger
echo "$out"
