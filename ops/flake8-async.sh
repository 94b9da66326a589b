#!/usr/bin/env bash
# flake8-async over the async files that changed since its last clean run, on all cores: it needs a third of
# a second for each file.   ops/flake8-async.sh FOLDER...      VENV=DIR (default: .venv)
set -euo pipefail

venv=${VENV:-.venv}
clean=$venv/.setup/flake8-async
started=$(mktemp)
trap 'rm -f "$started"' EXIT

# ASYNC9xx ask for a checkpoint in every async function, ASYNC124 for an await in it, ASYNC114 for a list of all
# functions with task_status, ASYNC300 is asyncio's. ASYNC109 forbids a parameter named timeout: our word for a deadline.
newer=()
if [[ $clean -nt $0 ]]; then newer=(-newer "$clean"); fi
find "$@" -name node_modules -prune -o -name '*.py' "${newer[@]}" -print0 |
    { xargs -0 -r grep -lZw -e async -e trio || true; } |
    xargs -0 -r -n 12 -P "$(nproc)" "$venv/bin/flake8-async" --disable ASYNC9,ASYNC109,ASYNC114,ASYNC124,ASYNC300
cp --preserve=timestamps "$started" "$clean"
