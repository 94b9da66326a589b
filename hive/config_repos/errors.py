"""Why something is refused; `code` is stable, the text is for whoever asked."""


class ConfigRepoError(Exception):
    """The configuration repositories of an agent cannot do this; nothing was changed."""

    code = "config_repo_error"


class NoRepository(ConfigRepoError):
    """The agent has no configuration repository."""

    code = "no_config_repository"


class NotAHash(ConfigRepoError):
    """What was given is not the hash of a commit, in full or shortened."""

    code = "not_a_hash"


class NoSuchCommit(ConfigRepoError):
    """No commit has that hash in the agent's proposals."""

    code = "no_such_commit"


class AmbiguousCommit(ConfigRepoError):
    """Several objects begin with that hash."""

    code = "ambiguous_commit"


class BadProposals(ConfigRepoError):
    """The repository of proposals cannot be read safely: links, loans, broken or huge objects."""

    code = "bad_proposals"


class BadTree(ConfigRepoError):
    """The files of the commit break a rule of `hive.config_repos.tree`."""

    code = "bad_tree"


class NotPinned(ConfigRepoError):
    """The commit is not the one that was pinned for that proposal."""

    code = "not_pinned"


class BaseMoved(ConfigRepoError):
    """Another commit has been deployed since the proposal was pinned."""

    code = "base_moved"
