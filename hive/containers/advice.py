"""What to tell somebody on whose machine a bubblewrap container does not start."""

from collections.abc import Mapping
from pathlib import Path

_REMEDIES = (
    (
        "kernel.apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor forbids user namespaces to programs without a profile (Ubuntu 23.10 and later): "
        "give bwrap one, or run `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`",
    ),
    (
        "kernel.unprivileged_userns_clone",
        "0",
        "the kernel forbids user namespaces to ordinary users: "
        "run `sysctl -w kernel.unprivileged_userns_clone=1`",
    ),
    (
        "user.max_user_namespaces",
        "0",
        "the kernel allows no user namespaces: run `sysctl -w user.max_user_namespaces=15000`",
    ),
)
_OTHERWISE = (
    "if this is itself a container, start it with user namespaces allowed "
    "(docker run --privileged, or a seccomp and AppArmor profile that permits them); "
    "to run agents without any isolation, use --unsafe-no-container"
)


def read_sysctls() -> dict[str, str]:
    """The settings of this kernel that can forbid user namespaces."""
    found = {}
    for name, _, _ in _REMEDIES:
        try:
            found[name] = Path("/proc/sys", *name.split(".")).read_text().strip()
        except OSError:
            continue
    return found


def advice(failure: str, sysctls: Mapping[str, str]) -> str:
    """Say what failed and what to do about it; pure."""
    remedies = [text for name, bad, text in _REMEDIES if sysctls.get(name) == bad]
    return f"bubblewrap cannot start a container: {failure}\n" + "\n".join(remedies or [_OTHERWISE])
