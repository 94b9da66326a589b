"""Looking at processes and signalling only the right one."""

import fcntl
import os
import signal
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hive.processes import (
    Process,
    lock_holders,
    open_pidfd,
    read_process,
    send_signal,
    with_descendants,
)

forests = st.lists(
    st.tuples(st.integers(2, 12), st.integers(1, 12), st.integers(1, 12)), unique_by=lambda p: p[0]
).map(lambda rows: [Process(pid, parent, session, 0, "S") for pid, parent, session in rows])


@given(forests, st.frozensets(st.integers(2, 12)))
def test_descendants_are_closed_and_reachable(
    processes: list[Process], first: frozenset[int]
) -> None:
    members = with_descendants(processes, first)
    assert first <= members
    for process in processes:
        belongs = process.parent in members or process.session in members
        assert process.pid in members or not belongs
    by_pid = {process.pid: process for process in processes}
    for pid in members - first:  # each has a reason, which ends at one of the first
        seen, todo = set(), [pid]
        while todo:
            at = by_pid.get(todo.pop())
            if at is not None and at.pid not in seen:
                seen.add(at.pid)
                todo += [at.parent, at.session]
                if {at.parent, at.session} & first:
                    break
        else:
            raise AssertionError(f"{pid} belongs to nothing")


def test_a_name_with_brackets_and_spaces_is_read() -> None:
    script = "import ctypes; ctypes.CDLL(None).prctl(15, b'a) S 7 (b'); input()"
    with subprocess.Popen(
        ["/usr/bin/env", "python3", "-u", "-c", "print(1);" + script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = read_process(child.pid)
        assert found is not None
        assert (found.parent, found.session, found.ended) == (os.getpid(), child.pid, False)
        child.kill()


def test_a_reused_pid_is_not_signalled() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        real = read_process(child.pid)
        assert real is not None
        stranger = Process(real.pid, real.parent, real.session, real.started - 1, "S")
        assert not send_signal(stranger, signal.SIGKILL)
        assert open_pidfd(real.pid, real.started - 1) is None
        assert child.poll() is None
        assert send_signal(real, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert read_process(child.pid) is None


def test_who_holds_a_lock_is_told_and_who_only_looks_at_it_is_not(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not list(lock_holders(tmp_path / "lock"))
        fcntl.flock(file, fcntl.LOCK_EX)
        assert [one.pid for one in lock_holders(tmp_path / "lock")] == [os.getpid()]
    assert not list(lock_holders(tmp_path / "lock"))


def test_a_stopped_process_is_told_from_one_that_has_ended() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        found = read_process(child.pid)
        assert found is not None and found.stopped and not found.ended
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        found = read_process(child.pid)
        assert found is not None and found.ended and not found.stopped
