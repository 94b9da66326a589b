#!/usr/bin/env bash
# Proves the README on a machine that has nothing: a fresh minimal Debian or Ubuntu with python3, git and make,
# a clone of this checkout's HEAD in it, and a command run there (as root). Needs root and debootstrap.
#
#   ops/bare-root.sh [--suite NAME] [--mirror URL] [--copy PATH]... [--env NAME]... [--root DIR] [COMMAND...]
#
#   --suite   Debian or Ubuntu release (default: this machine's)      --mirror  as debootstrap's argument
#   --copy    file or folder to copy from this machine, e.g. /etc/pip.conf or /etc/ssl/certs
#   --env     variable to take over, e.g. SSL_CERT_FILE; no other crosses
#   --root    keep the root here and use it again (default: a temporary one)
#   COMMAND   default: make test
set -euo pipefail

checkout=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror='' root='' copies=() env=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
while [[ ${1-} == --* ]]; do
    case $1 in
        --suite) suite=$2 ;;
        --mirror) mirror=$2 ;;
        --copy) copies+=("$2") ;;
        --env) [[ -z ${!2-} ]] || env+=("$2=${!2}") ;;
        --root) root=$2 ;;
        *)
            echo "bare-root: unknown option $1 (see the head of $0)" >&2
            exit 2
            ;;
    esac
    shift 2
done
[[ $# -gt 0 ]] || set -- make test

if [[ -z $root ]]; then
    root=$(mktemp -d)
    trap 'rm -rf --one-file-system "$root"' EXIT
fi
if [[ ! -e $root/etc/os-release ]]; then
    debootstrap --variant=minbase --include=python3,git,make,ca-certificates "$suite" "$root" ${mirror:+"$mirror"}
fi
tar -C / --dereference -cf - etc/resolv.conf etc/hosts "${copies[@]#/}" | tar -C "$root" --recursive-unlink -xf -
rm -rf "$root/root/hyperhive"
git clone -q --no-local "$checkout" "$root/root/hyperhive"

# pivot_root, not chroot, and a whole /proc: else the kernel lets no container start in it. Bash stays as process 1
# and reaps orphans; when it ends, so does every process in there and every mount.
enter='
    mount --bind "$1" "$1" && cd "$1"
    mount -t proc proc proc && mount -t tmpfs tmpfs run
    mount --rbind /dev dev && mount --rbind /sys sys
    pivot_root . . && umount -l . && cd /root/hyperhive
    shift
    "$@"
    exit $?
'
unshare --mount --propagation private --pid --fork --kill-child --ipc --uts \
    env -i "${env[@]}" bash -ec "$enter" enter "$root" "$@"
