#!/usr/bin/env bash
# On an accelerator: run the traced tests, measure loops of solves, and write benchmarks/device.md; under eight minutes.
#     PYTHON=python3 WORKERS=4 bash benchmarks/device.sh
# PYTHON has jax for the accelerator, and what soltrace and its `otlp` and `dev` extras need.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python}
workers=${WORKERS:-4}
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
export XLA_PYTHON_CLIENT_PREALLOCATE=false # or the first of the processes takes most of the device's memory

device=$("$python" -c 'import jax; d = jax.devices()[0]; print(d.platform, d.device_kind)' 2>/dev/null)
if [[ ${device:-cpu} == cpu* ]]; then
    echo "device.sh: jax sees no accelerator with $python (${device:-jax does not start})" >&2
    exit 1
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

echo "==> pytest tests/traced, on $device"
timeout -s INT -k 20 "${TESTS_S:-240}" "$python" -m pytest -n "$workers" -q -rfE --tb=short -p no:randomly tests/traced 2>&1 | tee "$out/tests"
tests=$?
echo "==> python -m benchmarks.loops"
timeout "${LOOPS_S:-180}" "$python" -m benchmarks.loops --rounds 3 --seconds 0.5 --no-pinned --no-write 2>&1 | tee "$out/loops"
{
    printf '# On an accelerator\n\n%s. ' "$device"
    printf 'Written by `bash benchmarks/device.sh`; what the table shows is told in loops.md.\n\n'
    grep '^|' "$out/loops"
    printf '\n`pytest tests/traced`:\n\n```\n'
    grep -E '^(FAILED|ERROR|=+ .* in )' "$out/tests" | tail -n 40
    printf '```\n\n'
    "$python" -c 'from benchmarks import machine; print(machine.describe())'
} >benchmarks/device.md
echo "==> benchmarks/device.md"
exit "$tests"
