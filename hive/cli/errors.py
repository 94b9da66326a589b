"""How a command fails: its exit codes, as docs/cli.md tells them, and what it raises."""

FAILED, USAGE, NO_DAEMON, NO_ANSWER, UNSURE = 1, 2, 3, 4, 5


class CommandFailed(Exception):
    """The command ends with the exit code `code`, and this text for its user."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class AnswerLost(CommandFailed):
    """The daemon was asked, and the link broke, or its time was over, before the answer came."""

    def __init__(self, why: object) -> None:
        super().__init__(f"the daemon did not answer: {why}", NO_ANSWER)
