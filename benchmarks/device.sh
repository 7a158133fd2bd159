#!/usr/bin/env bash
# On an accelerator: look at a heartbeat, run the traced tests, measure loops of solves, and write benchmarks/device.md;
# under eight minutes.
#     PYTHON=python3 WORKERS=4 bash benchmarks/device.sh
# Tests that take more than TESTS_S seconds are interrupted, and benchmarks that take more than BITS_S and LOOPS_S.
# PYTHON has jax for the accelerator, and what soltrace and its `otlp` and `dev` extras need.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python}
workers=${WORKERS:-4} tests_s=${TESTS_S:-180} bits_s=${BITS_S:-120} loops_s=${LOOPS_S:-110}
# Of the traced tests those of numbers, passes and settings; what needs several devices, or files of a size, is for CPUs.
read -ra tests <<<"${TESTS:-harmless passes adjoints outputs interpolations recompute attributes configurations}"
files=("${tests[@]/#/tests/traced/test_}")
files=("${files[@]/%/.py}")
cpu_only="each_device or mesh or shard or devices or another"
own_kernels=--xla_gpu_experimental_enable_fusion_autotuner=false # docs/reference/transformations.md says why
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
export XLA_PYTHON_CLIENT_PREALLOCATE=false # or the first of the processes takes most of the device's memory

device=$("$python" -c 'import jax; d = jax.devices()[0]; print(d.platform, d.device_kind)' 2>/dev/null)
if [[ ${device:-cpu} == cpu* ]]; then
    echo "device.sh: jax sees no accelerator with $python (${device:-jax does not start})" >&2
    exit 1
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

echo "==> a heartbeat, on $device"
"$python" - "$out" <<'PROGRAM' && grep -h '"pass.heartbeat"' "$out"/*.jsonl | tail -n 1 |
import diffrax, jax, soltrace, sys
soltrace.configure(directory=sys.argv[1], heartbeat_s=1.0)
y0 = jax.numpy.ones((1 << 20,))
term = diffrax.ODETerm(lambda t, y, args: jax.numpy.sin(y) - y)
for steps in (1000, 300000):
    soltrace.diffeqsolve(term, diffrax.Euler(), 0.0, 1.0, 1 / steps, y0, max_steps=None)
PROGRAM
    "$python" -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["usage"]))' | tee "$out/usage"

echo "==> pytest tests/traced (${tests[*]}), on $device"
XLA_FLAGS="${XLA_FLAGS:-} $own_kernels" timeout -s INT -k 20 "$tests_s" "$python" -m pytest \
    -n "$workers" -q -rfE --tb=short -p no:randomly -p no:benchmark -k "not ($cpu_only)" "${files[@]}" 2>&1 | tee "$out/tests"
status=$?
echo "==> python -m benchmarks.device_bits"
timeout "$bits_s" "$python" -m benchmarks.device_bits --processes 3 2>&1 | tee "$out/bits"
echo "==> python -m benchmarks.device_kernels"
timeout "$bits_s" "$python" -m benchmarks.device_kernels --seconds 30 2>&1 | tee "$out/kernels"
echo "==> python -m benchmarks.loops"
timeout "$loops_s" "$python" -m benchmarks.loops --rounds 3 --seconds 0.5 --no-pinned --no-write \
    ${LOOPS_ARGS:-} 2>&1 | tee "$out/loops"
{
    printf '# On an accelerator\n\n%s. ' "$device"
    printf 'Written by `%s bash benchmarks/device.sh`; what the table shows is told in loops.md.\n\n' \
        "TESTS_S=$tests_s BITS_S=$bits_s LOOPS_S=$loops_s WORKERS=$workers"
    grep '^|' "$out/loops"
    printf '\n`python -m benchmarks.device_bits`, the same long solve in one process after the other:\n\n```\n%s\n```\n' "$(cat "$out/bits")"
    printf '\n`python -m benchmarks.device_kernels`, the kernels of the loop:\n\n```\n%s\n```\n' "$(cat "$out/kernels")"
    printf '\nThe `usage` of a heartbeat, of a solve of a million components:\n\n```json\n%s\n```\n' "$(cat "$out/usage")"
    printf '\n`pytest tests/traced` (%s), at most %s s:\n\n```\n' "${tests[*]}" "$tests_s"
    grep -E '^(FAILED|ERROR|!+ KeyboardInterrupt|.*[0-9]+ (passed|failed).* in )' "$out/tests" | tail -n 40
    printf '```\n\n'
    "$python" -c 'from benchmarks import machine; print(machine.describe())'
} >benchmarks/device.md
echo "==> benchmarks/device.md"
exit "$status"
