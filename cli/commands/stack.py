"""`make stack`: makes the settings of a new stack from another stack's."""

from __future__ import annotations

from cli.command import Call, Command, Option


def run(call: Call) -> int:
    """Write the new stack's file, and print what comes next."""
    from review import new_stack

    name = call.required("name", "what is the name of the new stack?", "stack name=qa from=staging")
    model = call.required("from", "from which stack should it be made?", f"stack name={name} from=staging")
    print(new_stack.next_steps(new_stack.make(name, model)))
    return 0


COMMAND = Command(
    "make the settings of a new stack from another's", "make stack name=qa from=staging", run,
    [
        Option("name", "the new stack's name"),
        Option("from", "the stack it is made from"),
    ],
)  # fmt: skip
