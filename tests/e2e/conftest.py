"""A model server for each test and hives that leave nothing behind."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.model_api import ModelApi
from support.running import RunningHive


@pytest.fixture
def model() -> Iterator[ModelApi]:
    api = ModelApi()
    yield api
    api.close()


@pytest.fixture
def make_hive(tmp_path: Path) -> Iterator[Callable[..., RunningHive]]:
    made: list[RunningHive] = []

    def make(environment: dict[str, str], *, config: str = "", root: Path | None = None):  # type: ignore[no-untyped-def]
        hive = RunningHive(root or tmp_path / "hive", environment, config=config)
        made.append(hive)
        return hive

    yield make
    for hive in made:
        hive.clean_up()


@pytest.fixture
def hive(model: ModelApi, make_hive: Callable[..., RunningHive]) -> RunningHive:
    """A hive with one agent, `manager`, ready, on the scripted model."""
    running = make_hive(model.environment)
    running.up()
    return running
