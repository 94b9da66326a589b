"""One daemon for each root."""

import os
from pathlib import Path

import pytest

from hive.daemon.lock import AlreadyRunning, holder, root_lock
from hive.paths import Paths


def test_the_lock_names_its_holder_and_goes_with_it(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.prepare()
    assert holder(paths) is None
    with root_lock(paths):
        assert holder(paths) == os.getpid()
        with pytest.raises(AlreadyRunning, match=str(os.getpid())), root_lock(paths):
            pass
        assert holder(paths) == os.getpid()
    assert holder(paths) is None
