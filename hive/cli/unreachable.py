"""Why the daemon could not be asked: there is none, or what is the matter with it."""

import errno
import os
import pwd
import shlex
from contextlib import suppress
from pathlib import Path

from hive.cli.errors import FAILED, NO_ANSWER, NO_DAEMON
from hive.link import LinkClosed, LinkRefused, listener_credentials
from hive.paths import Paths
from hive.processes import lock_holders, read_process

_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)


def why_unreachable(paths: Paths, error: Exception) -> tuple[str, int]:
    """Say why the link could not be made, with what to do about it; and give the exit code.

    `error` is what kept it from being made. Blocks: it looks at the socket, the lock and processes.
    """
    if isinstance(error, LinkRefused):
        return _refused(paths, error)
    if isinstance(error, OSError) and error.errno in _OUT_OF_FILES:
        return f"this command may not open a file more ({error}): see `ulimit -n`", FAILED
    try:
        peer = listener_credentials(paths.control)
    except (FileNotFoundError, ConnectionRefusedError) as why:
        return _nobody(paths, stale=isinstance(why, ConnectionRefusedError))
    except PermissionError:
        return (
            f"{paths.control} may not be used by {_user(os.geteuid())}: this hive belongs to "
            f"{_owner(paths.control)}; run the command as that user, or give another --root"
        ), NO_ANSWER
    except BlockingIOError:
        return (
            f"{_daemon(_lock_holder(paths))} takes no connections, too many wait already: it hangs "
            f"or is stopped; {_force(paths)}"
        ), NO_ANSWER
    except OSError as why:
        return f"there can be no daemon at {paths.control}: {why}", NO_DAEMON
    return _silent(paths, peer.pid or None, error), NO_ANSWER


def _silent(paths: Paths, pid: int | None, error: Exception) -> str:
    """Somebody listens, and did not become a link."""
    daemon = _daemon(pid)
    process = None if pid is None else read_process(pid)
    if process is not None and process.stopped:
        return (
            f"{daemon} is stopped by a signal or a debugger: `kill -CONT {pid}` lets it go on, and "
            "nothing is lost meanwhile"
        )
    if isinstance(error, LinkClosed):
        return (
            f"{daemon} closed the connection before it could be asked: it is being stopped, or has "
            "more connections than it serves; try again in a moment"
        )
    return f"{daemon} runs, but does not answer: it is busy or hangs; {_force(paths)}"


def _refused(paths: Paths, error: LinkRefused) -> tuple[str, int]:
    if error.code == "wrong_protocol":
        return (
            f"the daemon is of another version of Hyperhive than this command ({error.message}): "
            f"start it anew with this version, {_again(paths)}; agents go on where they were"
        ), NO_ANSWER
    if error.code == "full":
        return (
            f"the daemon is full: {error.message} (each `hive events --follow` is one)",
            NO_ANSWER,
        )
    return f"the daemon refuses the connection: {error}", NO_ANSWER


def _nobody(paths: Paths, *, stale: bool) -> tuple[str, int]:
    if (pid := _lock_holder(paths)) is not None:
        return (
            f"{_daemon(pid)} has {paths.root}, but does not listen: it is starting or stopping; "
            f"try again in a moment, and if it stays so: {_again(paths)}"
        ), NO_ANSWER
    rest = f" (the socket {paths.control} is left from an earlier one)" if stale else ""
    start = f"`hive up {_root(paths)}`"
    return f"no daemon runs in {paths.root}{rest}: start it with {start}", NO_DAEMON


def _daemon(pid: int | None) -> str:
    return "the daemon" if pid is None else f"the daemon (pid {pid})"


def _force(paths: Paths) -> str:
    return (
        f"try again in a moment; `hive down {_root(paths)}` stops it, after a minute by force, and "
        "`hive up` goes on with what is stored"
    )


def _again(paths: Paths) -> str:
    return f"`hive down {_root(paths)}`, then `hive up {_root(paths)}`"


def _root(paths: Paths) -> str:
    return f"--root {shlex.quote(str(paths.root))}"


def _lock_holder(paths: Paths) -> int | None:
    """The pid of who holds the root's lock, as the kernel tells; None: nobody whom we can see."""
    for place in (paths.root, paths.lock):
        with suppress(OSError):
            for process in lock_holders(place):
                return process.pid
    return None


def _owner(path: Path) -> str:
    """The user to whom the nearest of these folders that can be looked at belongs."""
    for one in (path, *path.parents):
        try:
            return _user(one.stat().st_uid)
        except OSError:
            continue
    return "another user"


def _user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"the user with uid {uid}"
