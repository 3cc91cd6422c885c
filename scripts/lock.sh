#!/usr/bin/env bash
# Pins the Python packages of pyproject.toml, with hashes, for every platform.
#
#   scripts/lock.sh UV [--upgrade]
#
#   requirements.lock          everything: to run, to set up, to test
#   requirements-service.lock  what the service needs to run; the container image installs these
#   requirements-bench.lock    the peers that benchmarks measure against, on top of everything
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=$1
shift
export UV_CUSTOM_COMPILE_COMMAND="make lock"
compile() {
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-emit-index-url --no-emit-find-links "$@"
}

compile pyproject.toml --extra setup --extra test --output-file requirements.lock "$@"
compile pyproject.toml --constraint requirements.lock --output-file requirements-service.lock
compile --group pyproject.toml:bench --constraint requirements.lock \
  --output-file requirements-bench.lock
