#!/usr/bin/env bash
# On an accelerator: run the traced tests, measure loops of solves, and write benchmarks/device.md; under eight minutes.
#     PYTHON=python3 WORKERS=4 bash benchmarks/device.sh
# A run of the tests that takes more than TESTS_S seconds is interrupted, and benchmarks that take more than LOOPS_S.
# PYTHON has jax for the accelerator, and what soltrace and its `otlp` and `dev` extras need.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python}
workers=${WORKERS:-4} tests_s=${TESTS_S:-240} loops_s=${LOOPS_S:-180}
# Of the traced tests those of numbers, passes and settings; what needs several devices, or files of a size, is for CPUs.
read -ra tests <<<"${TESTS:-harmless passes adjoints outputs interpolations recompute attributes configurations}"
files=("${tests[@]/#/tests/traced/test_}")
files=("${files[@]/%/.py}")
cpu_only="each_device or mesh or shard or devices"
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
export XLA_PYTHON_CLIENT_PREALLOCATE=false # or the first of the processes takes most of the device's memory

device=$("$python" -c 'import jax; d = jax.devices()[0]; print(d.platform, d.device_kind)' 2>/dev/null)
if [[ ${device:-cpu} == cpu* ]]; then
    echo "device.sh: jax sees no accelerator with $python (${device:-jax does not start})" >&2
    exit 1
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

echo "==> pytest tests/traced (${tests[*]}), on $device"
timeout -s INT -k 20 "$tests_s" "$python" -m pytest -n "$workers" -q -rfE --tb=short -p no:randomly \
    -k "not ($cpu_only)" "${files[@]}" 2>&1 | tee "$out/tests"
status=$?
echo "==> python -m benchmarks.loops"
timeout "$loops_s" "$python" -m benchmarks.loops --rounds 3 --seconds 0.5 --no-pinned --no-write \
    ${LOOPS_ARGS:-} 2>&1 | tee "$out/loops"
{
    printf '# On an accelerator\n\n%s. ' "$device"
    printf 'Written by `%s bash benchmarks/device.sh`; what the table shows is told in loops.md.\n\n' \
        "TESTS_S=$tests_s LOOPS_S=$loops_s WORKERS=$workers"
    grep '^|' "$out/loops"
    printf '\n`pytest tests/traced` (%s), at most %s s:\n\n```\n' "${tests[*]}" "$tests_s"
    grep -E '^(FAILED|ERROR|!+ KeyboardInterrupt|.*[0-9]+ (passed|failed).* in )' "$out/tests" | tail -n 40
    printf '```\n\n'
    "$python" -c 'from benchmarks import machine; print(machine.describe())'
} >benchmarks/device.md
echo "==> benchmarks/device.md"
exit "$status"
