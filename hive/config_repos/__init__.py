"""Configuration of agents in git: what is proposed, and what was pinned and deployed of it."""

from hive.config_repos.errors import (
    AmbiguousCommit,
    BadProposals,
    BadTree,
    BaseMoved,
    ConfigRepoError,
    NoRepository,
    NoSuchCommit,
    NotAHash,
    NotPinned,
)
from hive.config_repos.repositories import ConfigRepositories, ConfigTag, Pinned, TagKind

__all__ = [
    "AmbiguousCommit",
    "BadProposals",
    "BadTree",
    "BaseMoved",
    "ConfigRepoError",
    "ConfigRepositories",
    "ConfigTag",
    "NoRepository",
    "NoSuchCommit",
    "NotAHash",
    "NotPinned",
    "Pinned",
    "TagKind",
]
