#!/usr/bin/env bash
# Resolves pyproject.toml into requirements/*.txt: for all platforms and Pythons, with hashes, naming no host.
# Keeps the pins that still fit; arguments go to `uv pip compile`, e.g. --upgrade or --upgrade-package trio.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

if ! command -v uv >/dev/null; then
    # Only this command needs uv, so it is no requirement of everybody's environment.
    tools=$(mktemp -d)
    trap 'rm -rf "$tools"' EXIT
    "${VENV:-.venv}/bin/python" -m venv "$tools"
    "$tools/bin/python" -m pip -q --disable-pip-version-check install uv
    PATH=$tools/bin:$PATH
fi

compile() {
    uv pip compile -q --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header "$@"
}
compile pyproject.toml -o requirements/run.txt "$@"
compile pyproject.toml --extra dev -c requirements/run.txt -o requirements/dev.txt "$@" # same versions as run.txt
compile requirements/cli.in --no-deps -o requirements/cli.txt "$@"
