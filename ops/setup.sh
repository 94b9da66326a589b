#!/usr/bin/env bash
# Makes a checkout ready: system packages, virtual environment with the locked requirements, page bundle.
# Quick when nothing changed; interrupted or broken set-ups are repaired by the next call.
#
#   ops/setup.sh [--tests|--bench]  --tests also asks for the browser that the tests drive, --bench for
#                               the servers that the benchmarks compare with
#   VENV=DIR                    the virtual environment (default: .venv)
#   PYTHON=FILE                 the interpreter (default: the newest tested one on PATH, then any >= 3.11)
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

venv=$(realpath -m "${VENV:-.venv}")
stamps=$venv/.setup
tests=no bench=no
case ${1-} in
    '') ;;
    --tests) tests=yes ;;
    --bench) bench=yes ;;
    *)
        echo "setup: unknown argument '$1' (allowed: --tests, --bench)" >&2
        exit 2
        ;;
esac

# An activated environment or a foreign module path must not leak into ours.
unset PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX
PATH=:$PATH:
PATH=${PATH//":$venv/bin:"/:}
PATH=${PATH#:}
PATH=${PATH%:}

say() { echo "setup: $*"; }
die() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# One set-up of a checkout at a time; the kernel frees the lock however the holder ends.
exec 9<.
flock -n 9 || {
    say "another set-up of this checkout is running; waiting for it"
    flock 9
}

# --- system packages -------------------------------------------------------------------------------

apt_install() {
    local install=(apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@")
    have apt-get || die "missing on this machine: $*. There is no apt-get here: install them, then repeat."
    if [[ $(id -u) != 0 ]]; then
        die "missing on this machine: $*. Install with" "" \
            "    sudo apt-get update && sudo apt-get install -y --no-install-recommends $*" "" \
            "and repeat."
    fi
    say "installing with apt-get: $*"
    export DEBIAN_FRONTEND=noninteractive
    compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || apt-get -q update
    # Lists of last month name packages that the mirror no longer has: fetch them once and try again.
    "${install[@]}" || { apt-get -q update && "${install[@]}"; } ||
        die "apt-get could not install: $* (its message is above). Install them by hand, then repeat."
}

has_browser() {
    have chromium || have chromium-browser || have google-chrome || have google-chrome-stable ||
        compgen -G "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}/chromium-*" >/dev/null
}

# Playwright's driver is linked to it, and a minimal system lacks it.
has_libatomic() { compgen -G '/usr/lib*/libatomic.so.1' >/dev/null || compgen -G '/usr/lib/*/libatomic.so.1' >/dev/null; }

# Ubuntu's chromium package is an empty shell around a snap, which a container cannot install.
browser_is_a_snap() { grep -qs '^ID=ubuntu' /etc/os-release; }

# Debian would start what it installs, nats-server even open to the network; the benchmarks start
# servers of their own. A masked service never starts, until somebody unmasks it.
mask_services() {
    [[ $# != 0 && -d /run/systemd/system ]] || return 0
    if [[ $(id -u) == 0 ]]; then
        systemctl mask --quiet "${@/%/.service}" || die "systemctl could not mask the services $*."
        say "masked the services $* (systemctl unmask frees them)"
    else
        say "the benchmarks need no service of these; before you install them: sudo systemctl mask $*"
    fi
}

# Ordinary users have no sbin in their PATH, where Debian puts servers.
has_server() { PATH=$PATH:/usr/sbin have "$1"; }

# --- python ----------------------------------------------------------------------------------------

# Prints "MAJOR.MINOR FILE" of an interpreter's base installation; fails when it does not run.
describe_python() {
    "$1" -c 'import os, sys
print("%d.%d" % sys.version_info[:2], os.path.realpath(getattr(sys, "_base_executable", sys.executable)))' \
        2>/dev/null
}

new_enough() { [[ ${1%%.*} -gt 3 || (${1%%.*} -eq 3 && ${1#*.} -ge 11) ]]; }

# Sets python (file) and version, or ends the set-up. A name on PATH may be a shim that does not run.
find_python() {
    local name found seen=()
    if [[ -n ${PYTHON-} ]]; then
        found=$(describe_python "$PYTHON") || die "PYTHON=$PYTHON does not run. Give the path of a python3 >= 3.11."
        new_enough "${found%% *}" || die "PYTHON=$PYTHON is Python ${found%% *}; 3.11 or newer is needed."
        version=${found%% *} python=${found#* }
        return
    fi
    for name in python3.13 python3.12 python3.11 python3 python3.14; do
        found=$(describe_python "$name") || continue
        if new_enough "${found%% *}"; then
            version=${found%% *} python=${found#* }
            return
        fi
        seen+=("${found#* } (${found%% *})")
    done
    die "Python 3.11 or newer is needed; found: ${seen[*]:-none}." \
        "Install one (Debian 12+, Ubuntu 24.04+: apt-get install python3) or name it: make setup PYTHON=/path/to/python3"
}

# Debian keeps ensurepip, which fills a new environment, in a package of its own.
venv_package() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    case $python in
        /usr/bin/*) echo "python$version-venv" ;;
        *) die "$python lacks the modules venv and ensurepip. Name a complete one: make setup PYTHON=/path/to/python3" ;;
    esac
}

# --- virtual environment ---------------------------------------------------------------------------

digest() { cat "$@" | sha256sum | cut -d' ' -f1; }
stamped() { [[ -f $stamps/$1 && $(<"$stamps/$1") == "$2" ]]; }
stamp() {
    mkdir -p "$stamps"
    printf '%s\n' "$2" >"$stamps/$1"
}
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input -q install "$@"; }

# Its scripts hold absolute paths, so a moved checkout is a new environment; so is a new interpreter.
venv_key() { echo "$venv $(digest requirements/dev.txt requirements/cli.txt) $(describe_python "$1")"; }

venv_ready() {
    stamped requirements "$(venv_key "$venv/bin/python")" || return
    [[ -z ${PYTHON-} || $(describe_python "$PYTHON") == "$(describe_python "$venv/bin/python")" ]]
}

make_venv() {
    if [[ -e $venv && ! -e $venv/pyvenv.cfg && -n $(ls -A "$venv") ]]; then
        die "$venv is in the way: it is no virtual environment. Move it, or choose another: make setup VENV=DIR"
    fi
    say "creating $venv with Python $version ($python)"
    "$python" -m venv --clear "$venv"
    say "installing the locked requirements"
    pip --require-hashes -r requirements/dev.txt
    pip --require-hashes --no-deps -r requirements/cli.txt # the claude binary; its Python is never used
    stamp requirements "$(venv_key "$venv/bin/python")"
}

install_project() {
    local key
    key=$(digest pyproject.toml ops/setup.sh)
    stamped project "$key" && return
    say "installing hyperhive into it (editable)"
    pip --no-build-isolation --no-deps -e .
    stamp project "$key"
}

# --- the steps -------------------------------------------------------------------------------------

missing=()
have bwrap || missing+=(bubblewrap)
have git || missing+=(git)
if [[ $tests == yes ]]; then
    has_libatomic || missing+=(libatomic1)
    has_browser || browser_is_a_snap || missing+=(chromium)
fi
servers=()
if [[ $bench == yes ]]; then
    for name in nats-server redis-server; do
        has_server "$name" || servers+=("$name")
    done
    missing+=("${servers[@]}")
    mask_services "${servers[@]}"
fi
rebuild=no
if ! venv_ready; then
    rebuild=yes
    find_python
    package=$(venv_package) # apart from the next line: die must end the set-up, not only a sub-shell
    [[ -z $package ]] || missing+=("$package")
fi
[[ ${#missing[@]} == 0 ]] || apt_install "${missing[@]}" 9<&- # a service it starts must not hold the lock

[[ $rebuild == no ]] || make_venv
install_project

if [[ $tests == yes ]] && ! has_browser; then
    [[ $(id -u) == 0 ]] || die "the tests need a Chromium. Install one with" "" \
        "    $venv/bin/playwright install --with-deps chromium" "" "(it asks for sudo) and repeat."
    "$venv/bin/playwright" install --with-deps chromium ||
        die "Playwright could not install its Chromium (its message is above). The tests also use a chromium," \
            "chromium-browser or google-chrome that is on PATH: install one by hand, then repeat."
fi

# Containers see our code read-only: without bytecode each harness would compile all of it at each start.
"$venv/bin/python" -m compileall -q -x node_modules hive harness web
"$venv/bin/python" web/page/build.py
say "ready"
