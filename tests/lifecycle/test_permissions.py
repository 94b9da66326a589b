"""Who may do what with whom: only what a list names, and never what ends the caller's own work."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.agent_config.config import LifecycleSection, PermissionsSection
from hive.lifecycle import NEEDS_APPROVAL, Verb, why_not_allowed
from hive.lifecycle.permissions import LISTS
from hive.wire.names import EVERYBODY, OPERATOR

VERBS = st.sampled_from(Verb)
NAMES = ("manager", "lead", "worker", "other")


@given(verb=VERBS, target=st.sampled_from((*NAMES, EVERYBODY)))
def test_an_empty_list_means_nothing_and_the_operator_needs_none(verb: Verb, target: str) -> None:
    assert why_not_allowed("lead", verb, target, {}) is not None
    assert why_not_allowed("lead", verb, target, {str(one): () for one in Verb}) is not None
    assert why_not_allowed(OPERATOR, verb, target, {}) is None


@given(verb=VERBS, listed=st.sets(st.sampled_from((*NAMES, EVERYBODY))))
def test_nobody_does_it_to_himself(verb: Verb, listed: set[str]) -> None:
    lists = dict.fromkeys([*map(str, Verb), "config"], listed)
    why = why_not_allowed("manager", verb, "manager", lists)
    assert why is not None and why.startswith(f"you cannot {verb} yourself")


def test_only_what_is_named_is_allowed() -> None:
    lists = {"restart": ("worker",), "config": ("worker",)}
    assert why_not_allowed("lead", Verb.RESTART, "worker", lists) is None
    assert why_not_allowed("lead", Verb.APPLY, "worker", lists) is None
    assert why_not_allowed("lead", Verb.RESTART, "other", lists) == (
        "you are not permitted to restart other: your list 'restart' names worker. Ask the "
        "operator to do it, or propose a change of your permissions"
    )
    why = why_not_allowed("lead", Verb.STOP, "worker", lists)
    assert why is not None and "your list 'stop' names nobody" in why


def test_everybody_are_those_below_unless_one_above_is_named() -> None:
    above = ("manager",)
    lists = {"stop": (EVERYBODY,), "restart": (EVERYBODY, "manager")}
    assert why_not_allowed("lead", Verb.STOP, "worker", lists, above) is None
    assert why_not_allowed("lead", Verb.STOP, "manager", lists, above) is not None
    assert why_not_allowed("lead", Verb.RESTART, "manager", lists, above) is None


def test_all_at_once_needs_a_list_of_all() -> None:
    one_by_one, all_ = {"rebuild": NAMES}, {"rebuild": (EVERYBODY,)}
    assert why_not_allowed("manager", Verb.REBUILD, EVERYBODY, one_by_one) is not None
    assert why_not_allowed("manager", Verb.REBUILD, EVERYBODY, all_) is None


def test_each_list_is_one_of_the_configuration() -> None:
    names = attrs.fields_dict(LifecycleSection).keys() | attrs.fields_dict(PermissionsSection)
    assert set(LISTS.values()) <= set(names)


@pytest.mark.parametrize("verb", sorted(NEEDS_APPROVAL))
def test_what_an_agent_can_only_propose_needs_a_permission_too(verb: Verb) -> None:
    assert why_not_allowed("lead", verb, "worker", {}) is not None
