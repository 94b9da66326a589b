"""The `claude` process: how it is started, what it says, how it ended, how it is ended."""
