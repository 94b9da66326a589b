"""The tool by which a commit of an agent's configuration is proposed to the operator."""

import json
import uuid
from typing import Any

from attrs import frozen

from harness.tools.base import DONE, DaemonTool, argument, iso_time
from hive.wire.approvals import Proposed, RequestApplyCommit
from hive.wire.bodies import Body


@frozen
class RequestApplyCommitTool(DaemonTool):
    """Asks the operator to approve a commit of an agent's configuration."""

    NAME = "request_apply_commit"
    DESCRIPTION = (
        "Ask the operator to approve a commit of another agent's configuration, a git repository "
        "in /agents/NAME/config (agent.toml, prompt files). Commit there first. The commit is "
        "fixed and checked at once; what is wrong with it comes back as an error. The operator's "
        "decision comes later, as a message."
    )
    GUIDE = """\
The configuration of an agent is the git repository /agents/NAME/config. Whoever may change it
commits there and proposes the commit with `mcp__hive__request_apply_commit`; the operator decides.
"""
    UNANSWERED = (
        "it may or may not have been proposed. Proposing the same commit again does no harm: an "
        "open approval of it stays the same"
    )

    agent: str = argument("whose configuration it is", least=1, most=64)
    commit: str = argument(
        "its hash, as `git rev-parse HEAD` says it, or the first 7 digits or more",
        least=7,
        most=40,
    )
    description: str = argument(
        "for the operator: what it changes and why", least=1, most=4000, default=""
    )

    def wire_request(self) -> RequestApplyCommit:
        return RequestApplyCommit(self.agent, self.commit, self.description, key=uuid.uuid4().hex)

    def answer_text(self, answer: Body) -> str:
        if not isinstance(answer, Proposed):
            return DONE
        one = answer.approval
        shown: dict[str, Any] = {
            "approval": one.id,
            "state": one.state.value,
            "commit": one.commit,
            "changes": {each.key: each.key_class.value for each in one.fields},
            "expires_at": iso_time(one.expires_at),
        }
        if answer.ended:
            shown["takes_the_place_of"] = list(answer.ended)
        note = {"note": "the operator decides; you get a message then"}
        return json.dumps(shown | note, ensure_ascii=False)
