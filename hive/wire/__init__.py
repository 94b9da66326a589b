"""What crosses a process boundary: frozen messages by subject, and their strict codec.

Each subject has a file, which ends with what each side may say of it: `FromAgent` and
`PushedByAgent`, `OperatorReads` (what changes nothing) and `OperatorActs`, `FromPage`, `FromDaemon`
(answers and pushes), and its `EventKinds`. `bodies` and `events` sum them up.
"""
