"""ops/setup.sh with stand-ins for python, apt-get and id: what it does, repairs and refuses."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import define, field

ROOT = Path(__file__).parents[1]
TOOLS = (
    *("bash", "cat", "chmod", "cp", "cut", "dirname", "env", "flock", "grep", "ls", "mkdir"),
    *("readlink", "realpath", "rm", "sha256sum", "touch"),
)

# Answers as `python3.X` does to the questions that the script asks; what it is told to do, it logs.
PYTHON = """#!/bin/bash
case "$*" in
    *_base_executable*) echo "${SELF##*/python} $SELF" ;;
    *ensurepip*) [[ ! -e $STUBS/no-ensurepip ]] ;;
    "-m venv --clear "*)
        echo "venv $SELF" >>"$LOG"
        rm -rf "$4"
        mkdir -p "$4/bin"
        touch "$4/pyvenv.cfg"
        printf '#!/bin/bash\\nexec "%s" "$@"\\n' "$SELF" >"$4/bin/python"
        chmod +x "$4/bin/python"
        ;;
    *"-m pip"*)
        shift 5
        echo "pip $*" >>"$LOG"
        [[ ! -e $STUBS/pip-fails || $* != *dev.txt* ]]
        ;;
    "-m compileall"*) ;;
    web/page/build.py) echo page >>"$LOG" ;;
    *) echo "stub: $*" >&2; exit 99 ;;
esac
"""
APT_GET = """#!/bin/bash
echo "apt-get $DEBIAN_FRONTEND $*" >>"$LOG"
[[ "$*" == *update* ]] && { touch "$STUBS/updated"; exit; }
[[ -e $STUBS/apt-lists-stale && ! -e $STUBS/updated ]] && exit 100
for package in bubblewrap:bwrap git:git chromium:chromium; do
    [[ "$*" != *${package%:*}* ]] || cp "$STUBS/bin/true" "$STUBS/bin/${package#*:}"
done
"""
ALL = [
    "pip install --require-hashes -r requirements/dev.txt",
    "pip install --require-hashes --no-deps -r requirements/cli.txt",
    "pip install --no-build-isolation --no-deps -e .",
    "page",
]


@define
class Machine:
    """A checkout in a folder with a space in its name; PATH has stand-ins and core tools only."""

    base: Path
    checkout: Path = field(init=False)
    bin: Path = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.checkout, self.bin = self.base / "check out", self.base / "stubs" / "bin"
        for path in (
            "ops/setup.sh",
            "pyproject.toml",
            "requirements/dev.txt",
            "requirements/cli.txt",
        ):
            (self.checkout / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, self.checkout / path)
        (self.checkout / "web/page").mkdir(parents=True)
        (self.checkout / "web/page/build.py").touch()
        self.bin.mkdir(parents=True)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)
        self.program("apt-get", APT_GET)
        for name in ("true", "bwrap", "git", "chromium"):
            self.program(name, "#!/bin/bash\n")
        self.user(1000)
        self.python("3.12")

    def program(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def python(self, version: str) -> Path:
        path = self.bin / f"python{version}"
        return self.program(
            path.name, PYTHON.replace("#!/bin/bash", f'#!/bin/bash\nSELF="{path}"', 1)
        )

    def user(self, uid: int) -> None:
        self.program("id", f"#!/bin/bash\necho {uid}\n")

    def flag(self, name: str) -> Path:
        path = self.base / "stubs" / name
        path.touch()
        return path

    def setup(self, *arguments: str, **environment: str) -> tuple[int, str, list[str]]:
        """Runs the script; its exit status, what it printed, and what was done to the machine."""
        log = self.base / "log"
        log.write_text("")
        done = subprocess.run(
            [self.checkout / "ops/setup.sh", *arguments],
            env={
                "PATH": str(self.bin),
                "HOME": str(self.base),
                "LOG": str(log),
                "STUBS": str(self.base / "stubs"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr, log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def ready(machine: Machine) -> Machine:
    status, output, _ = machine.setup()
    assert status == 0, output
    return machine


def test_a_fresh_checkout_gets_everything_in_order(machine: Machine) -> None:
    status, output, done = machine.setup()
    assert (status, done) == (0, [f"venv {machine.bin}/python3.12", *ALL]), output


def test_a_second_call_only_asks_the_page_builder(ready: Machine) -> None:
    assert ready.setup()[2] == ["page"]


def test_an_activated_environment_is_not_mistaken_for_an_interpreter(ready: Machine) -> None:
    inside = ready.checkout / ".venv/bin"
    for name in ("python", "python3.12"):
        (inside / name).write_text("#!/bin/bash\nexit 127\n")
        (inside / name).chmod(0o755)
    status, output, done = ready.setup(PATH=f"{inside}:{ready.bin}")
    assert (status, done[:1]) == (0, [f"venv {ready.bin}/python3.12"]), output


def _change_lock(machine: Machine) -> None:
    (machine.checkout / "requirements/cli.txt").write_text("changed\n")


def _move(machine: Machine) -> None:
    machine.checkout = machine.checkout.rename(machine.base / "moved")


def _lose_interpreter(machine: Machine) -> None:
    (machine.bin / "python3.12").unlink()
    machine.python("3.11")


def _break(machine: Machine) -> None:
    (machine.checkout / ".venv/bin/python").unlink()


@pytest.mark.parametrize("change", [_change_lock, _move, _lose_interpreter, _break])
def test_what_makes_the_environment_wrong_rebuilds_it(
    ready: Machine, change: Callable[[Machine], None]
) -> None:
    change(ready)
    status, output, done = ready.setup()
    assert status == 0, output
    assert done[0].startswith("venv ")
    assert done[1:] == ALL


def test_project_settings_renew_only_the_project(ready: Machine) -> None:
    with (ready.checkout / "pyproject.toml").open("a") as settings:
        settings.write("# changed\n")
    assert ready.setup()[2] == ALL[2:]


def test_a_newer_interpreter_does_not_disturb_but_a_named_one_does(ready: Machine) -> None:
    newer = ready.python("3.13")
    assert ready.setup()[2] == ["page"]
    assert ready.setup(PYTHON=str(newer))[2][0] == f"venv {newer}"
    assert ready.setup(PYTHON=str(newer))[2] == ["page"]


def test_an_interrupted_set_up_is_made_anew(machine: Machine) -> None:
    obstacle = machine.flag("pip-fails")
    status, _, done = machine.setup()
    assert (status != 0, done[-1]) == (True, ALL[0])
    obstacle.unlink()
    status, _, done = machine.setup()
    assert (status, done[1:]) == (0, ALL)


def test_another_place_for_the_environment(machine: Machine) -> None:
    elsewhere = machine.base / "other place"
    assert machine.setup(VENV=str(elsewhere))[0] == 0
    assert (elsewhere / "pyvenv.cfg").exists()
    assert not (machine.checkout / ".venv").exists()


def test_a_folder_of_somebody_else_is_never_cleared(machine: Machine) -> None:
    precious = machine.base / "precious"
    precious.mkdir()
    (precious / "thesis").touch()
    status, output, done = machine.setup(VENV=str(precious))
    assert (status, done) == (1, [])
    assert "is no virtual environment" in output
    assert (precious / "thesis").exists()


def test_old_python_is_refused(machine: Machine) -> None:
    (machine.bin / "python3.12").unlink()
    (machine.bin / "python3").symlink_to(machine.python("3.9"))
    status, output, done = machine.setup()
    assert (status, done) == (1, [])
    assert "3.11 or newer is needed" in output
    assert "python3.9 (3.9)" in output
    status, output, _ = machine.setup(PYTHON=str(machine.bin / "python3.9"))
    assert status == 1
    assert "is Python 3.9" in output
    status, output, _ = machine.setup(PYTHON="/nowhere/python")
    assert status == 1
    assert "does not run" in output


def test_a_shim_that_does_not_run_is_passed_over(machine: Machine) -> None:
    machine.program("python3.13", "#!/bin/bash\nexit 127\n")
    assert machine.setup()[2][0] == f"venv {machine.bin}/python3.12"


def test_an_incomplete_interpreter_is_refused(machine: Machine) -> None:
    machine.flag("no-ensurepip")
    status, output, done = machine.setup()
    assert (status, done) == (1, [])
    assert "lacks the modules venv and ensurepip" in output


def test_missing_packages_are_named_to_a_user(machine: Machine) -> None:
    (machine.bin / "bwrap").unlink()
    (machine.bin / "git").unlink()
    status, output, done = machine.setup()
    assert (status, done) == (1, [])
    assert "sudo apt-get update && sudo apt-get install -y" in output
    assert "bubblewrap git\n" in output


@pytest.mark.parametrize("stale", [False, True])
def test_missing_packages_are_installed_by_root(machine: Machine, stale: bool) -> None:
    (machine.bin / "bwrap").unlink()
    machine.user(0)
    if stale:
        machine.flag("apt-lists-stale")
    status, output, done = machine.setup()
    assert status == 0, output
    assert all(
        line.startswith("apt-get noninteractive ") for line in done[: done.index(ALL[0]) - 1]
    )
    assert done[done.index(ALL[0]) - 2].endswith(" install --no-install-recommends bubblewrap")
    assert done[-4:] == ALL
    assert machine.setup()[2] == ["page"]


@pytest.mark.skipif(
    "ID=ubuntu" in Path("/etc/os-release").read_text("utf-8"), reason="Ubuntu's chromium is a snap"
)
def test_only_the_tests_need_a_browser(machine: Machine) -> None:
    (machine.bin / "chromium").unlink()
    assert machine.setup()[0] == 0
    status, output, _ = machine.setup("--tests")
    assert status == 1
    assert "chromium" in output
    (machine.bin / "google-chrome").symlink_to("true")
    assert machine.setup("--tests")[2] == ["page"]


def test_only_the_benchmarks_need_other_servers(machine: Machine) -> None:
    assert machine.setup()[0] == 0
    status, output, _ = machine.setup("--bench")
    assert status == 1
    assert "redis-server" in output
    machine.user(0)
    assert machine.setup("--bench")[2][0].endswith(" redis-server")
    for name in ("nats-server", "redis-server"):
        machine.program(name, "#!/bin/bash\n")
    assert machine.setup("--bench")[2] == ["page"]


def test_an_unknown_argument_is_a_usage_error(machine: Machine) -> None:
    status, output, done = machine.setup("--test")
    assert (status, done) == (2, [])
    assert "--tests" in output


def test_a_stage_keeps_its_commands_exit_status_and_shows_the_time() -> None:
    done = subprocess.run(
        [ROOT / "ops/stage.sh", "some lint", "bash", "-c", "sleep 0.05; exit 3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    title, word, seconds = done.stdout[:14].strip(), done.stdout[15:26], done.stdout.split()[-2]
    assert (title, word) == ("some lint", "FAILED (3) ")
    assert 0.05 <= float(seconds) < 5


def test_make_test_sets_up_first_and_ends_with_the_tests() -> None:
    printed = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "test"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert printed[0] == "ops/setup.sh --tests"
    assert printed[-1].rstrip().endswith("-m pytest")
    for gate in ("ruff check", "ruff format --check", "flake8-async", "mypy"):
        assert any(gate in line for line in printed), gate


def test_ci_runs_the_command_of_the_readme() -> None:
    commands = (ROOT / "README.md").read_text("utf-8").split("```")[1]
    assert "\nmake run " in commands
    assert "\nmake test " in commands
    assert "make --no-print-directory test" in (ROOT / ".ci/run").read_text("utf-8")
