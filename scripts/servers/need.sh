#!/usr/bin/env bash
# Make sure of what building and testing the servers needs: Go, and docker-compose for the tests of docker-compose.yml.
set -euo pipefail
PATH=$PATH:/usr/local/go/bin # where Go's own archive is unpacked to

# Go 1.21 and newer fetch by themselves the version that a go.mod asks for.
modern_go() { command -v go >/dev/null && [ "$(go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')" -ge 21 ]; }

apt() {
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 1
    echo "==> $1: installing it with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null && apt-get install -y -qq "$1" >/dev/null
}

missing() {
    echo "The tests need $1, which is not here and can't be installed from here: $2" >&2
    exit 1
}

modern_go || { apt golang-go && modern_go; } || missing "Go 1.21 or newer" "https://go.dev/dl/"
command -v docker-compose >/dev/null || apt docker-compose || missing docker-compose "apt-get install docker-compose"
