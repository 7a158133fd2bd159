#!/usr/bin/env bash
# Make sure of the programs that the tests use: a terminal, the shells that complete, who reads the log and the report,
# Slurm and the database of its accounts, a compiler for the library that has a disk fail, and a Java for Spark.
set -euo pipefail
missing=()
PATH=$PATH:/usr/sbin
for program in tmux zsh fish jq lnav chromium gcc slurmctld slurmd slurmdbd; do
    command -v "$program" >/dev/null || missing+=("$program")
done
command -v java >/dev/null || missing+=(default-jre-headless)
command -v mariadbd >/dev/null || missing+=(mariadb-server-core)
command -v munged >/dev/null || missing+=(munge)
command -v sbatch >/dev/null || missing+=(slurm-client)
[ ${#missing[@]} -eq 0 ] && exit 0
[[ " ${missing[*]} " == *" gcc "* ]] && missing+=(libc6-dev) # its headers
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "==> ${missing[*]}: installing with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
fi
echo "The tests need ${missing[*]}, which can't be installed from here: apt-get install ${missing[*]}" >&2
exit 1
