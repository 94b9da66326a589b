"""Fixtures that every test may use."""

import pytest


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run async tests on Trio; real clock."""
    return ("trio", {})
