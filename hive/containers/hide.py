"""How a harness keeps its own places out of the sight of the process that it drives."""


def hiding(name: str) -> tuple[str, ...]:
    """Return the words before a command that must not see /agents/NAME/harness or the socket.

    For use inside a container: a second bubblewrap, whose mounts and user namespace are its own.
    Being in another user namespace, the command cannot look into the harness through /proc
    either. It is two processes, bwrap and its child, in one process group; bwrap passes no signal
    on and exits with the child's code, or 128 + the number of the signal that ended it.
    """
    hidden = (f"/agents/{name}/harness", "/run/hive")
    masks = (option for path in hidden for option in ("--tmpfs", path, "--remount-ro", path))
    return ("bwrap", "--dev-bind", "/", "/", *masks, "--")
