"""Looking at processes and signalling only the right one."""

import os
import signal
import subprocess

from hypothesis import given
from hypothesis import strategies as st

from hive.containers.processes import (
    Process,
    open_pidfd,
    read_process,
    send_signal,
    with_descendants,
)

forests = st.lists(
    st.tuples(st.integers(2, 12), st.integers(1, 12), st.integers(1, 12)), unique_by=lambda p: p[0]
).map(lambda rows: [Process(pid, parent, session, 0, False) for pid, parent, session in rows])


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
        stranger = Process(real.pid, real.parent, real.session, real.started - 1, False)
        assert not send_signal(stranger, signal.SIGKILL)
        assert open_pidfd(real.pid, real.started - 1) is None
        assert child.poll() is None
        assert send_signal(real, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert read_process(child.pid) is None
