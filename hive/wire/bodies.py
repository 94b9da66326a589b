"""All that may be asked, answered and pushed: the sums of the unions of each subject.

One union for each socket: what is not in it cannot be asked. `AgentBody` is all that a container
may ask and `AgentPush` what it may push; `OperatorBody` is what the operator may ask, of which
`OperatorRead` changes nothing and `OperatorAct` does; `PageBody` is what the page may ask.
"""

from hive.wire import (
    agents,
    approvals,
    audit,
    budgets,
    daemon,
    events,
    files,
    gates,
    harness,
    logins,
    messages,
    questions,
    reminders,
    schedules,
    tree,
    turns,
    wake_ups,
)

AgentBody = (
    messages.FromAgent
    | turns.FromAgent
    | harness.FromAgent
    | agents.FromAgent
    | questions.FromAgent
    | wake_ups.FromAgent
    | reminders.FromAgent
    | schedules.FromAgent
    | approvals.FromAgent
)
AgentPush = turns.PushedByAgent | harness.PushedByAgent
OperatorRead = (
    messages.OperatorReads
    | tree.OperatorReads
    | gates.OperatorReads
    | budgets.OperatorReads
    | logins.OperatorReads
    | questions.OperatorReads
    | reminders.OperatorReads
    | schedules.OperatorReads
    | files.OperatorReads
    | approvals.OperatorReads
    | audit.OperatorReads
    | daemon.OperatorReads
    | events.OperatorReads
)
OperatorAct = (
    messages.OperatorActs
    | tree.OperatorActs
    | agents.OperatorActs
    | gates.OperatorActs
    | budgets.OperatorActs
    | logins.OperatorActs
    | questions.OperatorActs
    | reminders.OperatorActs
    | schedules.OperatorActs
    | approvals.OperatorActs
    | daemon.OperatorActs
)
OperatorBody = OperatorRead | OperatorAct
PageBody = messages.FromPage | daemon.FromPage | events.FromPage
Body = (
    AgentBody
    | AgentPush
    | OperatorBody
    | PageBody
    | messages.FromDaemon
    | turns.FromDaemon
    | harness.FromDaemon
    | tree.FromDaemon
    | agents.FromDaemon
    | gates.FromDaemon
    | budgets.FromDaemon
    | logins.FromDaemon
    | questions.FromDaemon
    | reminders.FromDaemon
    | schedules.FromDaemon
    | files.FromDaemon
    | approvals.FromDaemon
    | audit.FromDaemon
    | daemon.FromDaemon
    | events.FromDaemon
)
