"""The table of all tools, in the order in which the model reads of them."""

from harness.lenient_json import Json
from harness.tools.agents import SetStatusTool, WhoAmITool
from harness.tools.approvals import RequestApplyCommitTool
from harness.tools.base import BadArguments, Tool, excerpt, parse_arguments, schema
from harness.tools.messages import RecvTool, SendTool, ThreadTool
from harness.tools.questions import AnswerTool, AskTool, CancelLooseEndTool, LooseEndsTool
from harness.tools.reminders import CancelReminderTool, ListRemindersTool, RemindTool
from harness.tools.schedules import ScheduleTool
from harness.tools.wake_ups import RequestNextTurnTool, WakeTool

_ALL: tuple[type[Tool], ...] = (
    SendTool,
    RecvTool,
    ThreadTool,
    WhoAmITool,
    RemindTool,
    ListRemindersTool,
    CancelReminderTool,
    ScheduleTool,
    AskTool,
    AnswerTool,
    LooseEndsTool,
    CancelLooseEndTool,
    SetStatusTool,
    RequestNextTurnTool,
    WakeTool,
    RequestApplyCommitTool,
)

TOOLS = {tool.NAME: tool for tool in _ALL}


def schemas() -> list[Json]:
    """The descriptions of all tools, as `tools/list` of the Model Context Protocol wants them."""
    return [schema(tool) for tool in _ALL]


def guide(body_cap: int) -> str:
    """What the system prompt says about the tools; `body_cap` is the largest body in bytes."""
    lines = "\n".join(tool.GUIDE.strip() for tool in _ALL if tool.GUIDE)
    return lines.replace("{body_cap}", str(body_cap))


def parse_call(name: object, arguments: object) -> Tool:
    """The model's call of the tool `name`; both are whatever it gave.

    Raises BadArguments, with what is right, if there is no such tool or an argument is wrong.
    """
    tool = TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        raise BadArguments(f"there is no tool {excerpt(name)}; the tools are {', '.join(TOOLS)}")
    return parse_arguments(tool, arguments)
