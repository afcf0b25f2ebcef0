"""`make cost`: the estimated monthly cost of a stack on AWS, calculated from the program."""

from __future__ import annotations

import sys

from cli.command import Call, Command, Option


def run(call: Call) -> int:
    """Print the estimate; return 1 where it is not whole: pods that no node holds, or something without a price."""
    from review.cost import report

    text, problem = report.of_stack(call.required("stack", "for which stack?", "cost s=prod"))
    print(text)
    if problem is not None:
        print(f"headwater cost: {problem}", file=sys.stderr)
    return 0 if problem is None else 1


COMMAND = Command(
    "estimate the monthly cost of a stack on AWS", "make cost s=prod", run, [Option("stack", "which stack", make="s")]
)
