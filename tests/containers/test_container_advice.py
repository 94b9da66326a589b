"""What an operator is told when containers do not work."""

from pathlib import Path

import pytest

from hive.containers import Bubblewrap, DriverUnavailable, UnsafeProcess
from hive.containers.bubblewrap import advice


@pytest.mark.parametrize(
    ("sysctl", "bad"),
    [
        ("kernel.apparmor_restrict_unprivileged_userns", "1"),
        ("kernel.unprivileged_userns_clone", "0"),
        ("user.max_user_namespaces", "0"),
    ],
)
def test_the_setting_that_forbids_is_named(sysctl: str, bad: str) -> None:
    good = {"kernel.unprivileged_userns_clone": "1", "user.max_user_namespaces": "100"}
    assert sysctl in advice("no", good | {sysctl: bad})
    assert sysctl not in advice("no", good)
    assert "--unsafe-no-container" in advice("no", good)


def test_a_missing_bubblewrap_says_what_to_install() -> None:
    with pytest.raises(DriverUnavailable, match="apt-get install bubblewrap"):
        Bubblewrap("/nowhere/bwrap").check()


def test_a_broken_bubblewrap_shows_what_it_said(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho setting up uid map: Permission denied >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(DriverUnavailable, match="uid map: Permission denied"):
        Bubblewrap(str(broken)).check()


def test_a_bubblewrap_that_hides_nothing_is_refused(tmp_path: Path) -> None:
    liar = tmp_path / "bwrap"
    liar.write_text("#!/bin/sh\nexit 1\n")
    liar.chmod(0o755)
    with pytest.raises(DriverUnavailable, match="hides nothing"):
        Bubblewrap(str(liar)).check()


def test_containers_work_on_this_machine() -> None:
    Bubblewrap().check()


def test_the_process_driver_must_be_asked_for() -> None:
    with pytest.raises(DriverUnavailable, match="--unsafe-no-container"):
        UnsafeProcess().check()
    UnsafeProcess(allowed=True).check()
