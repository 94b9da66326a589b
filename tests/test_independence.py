"""The library for any Trio program: its two packages alone, and the examples of its page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("actors", "supervisors")
REQUIRED = ("attr", "attrs", "idna", "outcome", "sniffio", "sortedcontainers", "trio")
PAGE = (ROOT / "docs/supervision.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.S)
PRINTED = re.findall(r"```text\n(.*?)```", PAGE, re.S)

# Says what is visible of `hive`, and lets no third package in.
GUARD = f"""
import sys
class Guard:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | {{"hive", *{REQUIRED}}}:
            raise ImportError(f"{{name}} is not part of the library")
sys.meta_path.insert(0, Guard())
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder with a `hive` of nothing but the two packages."""
    (tmp_path / "hive").mkdir()
    for name in PACKAGES:
        (tmp_path / "hive" / name).symlink_to(ROOT / "hive" / name)
    return tmp_path


def run(library: Path, program: str) -> str:
    paths = [str(library), *(path for path in sys.path if "packages" in path)]
    head = f"import sys; sys.path[:0] = {paths!r}\n{GUARD}\n"
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-W", "error", "-c", head + program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=library,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_packages_need_nothing_else_of_the_project(library: Path) -> None:
    out = run(
        library,
        "import hive.actors, hive.supervisors\n"
        "print(hive.actors.__file__)\n"
        "print(*sorted(name for name in sys.modules if name.startswith('hive.')))",
    )
    where, names = out.splitlines()
    assert where.startswith(str(library))
    assert {name.split(".")[1] for name in names.split()} == set(PACKAGES)


def test_the_guard_guards(library: Path) -> None:
    for name in ("hive.wire", "cattrs"):
        with pytest.raises(AssertionError, match=r"ImportError|ModuleNotFoundError"):
            run(library, f"import {name}")


def test_the_first_example_prints_what_the_page_says(library: Path) -> None:
    assert run(library, EXAMPLES[0]) == PRINTED[0]


def test_the_second_example(library: Path) -> None:
    assert run(library, EXAMPLES[1]) == "Rioja 2011\n{'bottles': 0}\n"


def test_the_page_has_these_examples() -> None:
    assert (len(EXAMPLES), len(PRINTED)) == (2, 1)
