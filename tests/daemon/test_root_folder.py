"""Which folders can be a hive's root, and that nothing is made in those that cannot."""

import subprocess
from pathlib import Path

import pytest
from support.running import HIVE, scrubbed

from hive.paths import BadRoot, check_root


@pytest.mark.parametrize(
    "root",
    [
        "/",
        "//",
        "/usr/..",
        "/usr",
        "/usr/local",
        "/etc/hyperhive",
        "/proc/self",
        "/sys/x",
        "/var/lib",
    ],
)
def test_folders_of_the_system_are_refused(root: str) -> None:
    with pytest.raises(BadRoot, match=r"belongs to the system; choose a folder .* --root"):
        check_root(Path(root), to_run=True)


@pytest.mark.parametrize(
    "root", ["/usr/local/hive", "/var/lib/hyperhive", "/srv/hive", "/dev/shm/x"]
)
def test_folders_of_their_own_are_taken(root: str) -> None:
    assert check_root(Path(root)) == Path(root, to_run=True)


def test_links_and_dots_are_resolved_and_files_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("later")
    assert check_root(tmp_path / "link/../link/x", to_run=True) == tmp_path / "real/x"
    assert check_root(tmp_path / "dangling", to_run=True) == tmp_path / "later"
    for root in ("file", "file/x"):
        with pytest.raises(BadRoot, match=f"{tmp_path}/file is no folder"):
            check_root(tmp_path / root, to_run=True)


@pytest.mark.parametrize("command", ["up", "daemon"])
def test_a_link_to_a_refused_folder_starts_nothing(tmp_path: Path, command: str) -> None:
    link = tmp_path / "root"
    link.symlink_to("/")
    done = subprocess.run(
        [HIVE, command, "--demo", "--root", link], env=scrubbed(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"hive: {link} cannot be a hive's root: / belongs to the system")
    assert done.stderr.count("\n") == 1
    assert not Path("/agents").exists() and not Path("/hive.sqlite").exists()
