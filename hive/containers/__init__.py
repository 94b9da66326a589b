"""Containers that outlive the daemon: drivers, keepers, adoption."""

from hive.containers.bubblewrap import Bubblewrap, System, bubblewrap_argv
from hive.containers.driver import Container, Driver, Inside, UnknownDriver, driver_named
from hive.containers.errors import AlreadyRunning, ContainerError, DriverUnavailable, NotHidden
from hive.containers.folders import Folders, folders, prepare
from hive.containers.handle import Handle
from hive.containers.keeper import MARKER, ExitStatus, Identity, destroy, last_exit
from hive.containers.mounts import runtime_folders
from hive.containers.process import UnsafeProcess
from hive.containers.survivors import (
    Running,
    forget_foreign,
    kill_container,
    known_names,
    list_containers,
)

__all__ = [
    "MARKER",
    "AlreadyRunning",
    "Bubblewrap",
    "Container",
    "ContainerError",
    "Driver",
    "DriverUnavailable",
    "ExitStatus",
    "Folders",
    "Handle",
    "Identity",
    "Inside",
    "NotHidden",
    "Running",
    "System",
    "UnknownDriver",
    "UnsafeProcess",
    "bubblewrap_argv",
    "destroy",
    "driver_named",
    "folders",
    "forget_foreign",
    "kill_container",
    "known_names",
    "last_exit",
    "list_containers",
    "prepare",
    "runtime_folders",
]
