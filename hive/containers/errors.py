"""What can go wrong with containers."""


class ContainerError(Exception):
    """A container could not be started, found or removed; the text says why."""


class DriverUnavailable(ContainerError):
    """This machine cannot run the driver's containers; the text says what to do about it."""


class AlreadyRunning(ContainerError):
    """The agent has a container, and there are never two of one agent."""


class NotHidden(ContainerError):
    """Something of the hive's own would be visible in containers; the text says what to move."""
