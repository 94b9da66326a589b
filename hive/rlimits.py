"""Resource limits of a process (setrlimit(2)): raised as far as allowed, refused if too low."""

import resource

from attrs import frozen

MOST_FILES = 65536
"""Not more, although it may be allowed: there are programs that close every descriptor up to it."""

_MIB = 1 << 20


class LimitTooLow(Exception):
    """The process cannot work under a limit; the text says which, how much it needs, what to do."""


@frozen
class Need:
    """How much of a resource a process needs at least."""

    resource: int
    """One of resource.RLIMIT_*."""
    what: str
    option: str
    """That of the shell's `ulimit`."""
    setting: str
    """Its name in a unit of systemd."""
    least: int


FILES = Need(resource.RLIMIT_NOFILE, "open files", "-n", "LimitNOFILE", 256)
NEEDS = (
    FILES,
    Need(resource.RLIMIT_NPROC, "processes of the user", "-u", "LimitNPROC", 128),
    Need(resource.RLIMIT_FSIZE, "bytes in a file", "-f", "LimitFSIZE", 256 * _MIB),
    Need(resource.RLIMIT_AS, "bytes of address space", "-v", "LimitAS", 2048 * _MIB),
)


def raise_limits(*needs: Need) -> None:
    """Raise the soft limits of these resources to the hard ones.

    Raises LimitTooLow when that is less than a resource's need.
    """
    for need in needs:
        soft, hard = resource.getrlimit(need.resource)
        wanted = hard
        if need is FILES and (hard == resource.RLIM_INFINITY or hard > MOST_FILES):
            wanted = MOST_FILES
        if soft != resource.RLIM_INFINITY and (wanted == resource.RLIM_INFINITY or soft < wanted):
            resource.setrlimit(need.resource, (wanted, hard))
            soft = wanted
        if soft != resource.RLIM_INFINITY and soft < need.least:
            raise LimitTooLow(
                f"the limit of {need.what} is {soft}, at least {need.least} are needed: raise it "
                f"(`ulimit {need.option}` in the shell, {need.setting}= in a systemd unit)"
            )
