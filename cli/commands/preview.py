"""`make preview`: the summary that a pull request gets, on this terminal."""

from __future__ import annotations

from pathlib import Path

from cli.command import STACK, Call, Command, Option, truth
from cli.program import stack
from localstack.console import Console
from localstack.errors import LocalError
from localstack.home import CHECKOUT, Home
from localstack.process import ask
from review.stack_files import stack_files

ESTIMATE_S = 20
_LAST_LINES = 15


def show(home: Home, console: Console, name: str, *, diff: bool = False, checkout: Path = CHECKOUT) -> int:
    """Preview a stack and show the summary; diff: show Pulumi's own output instead, which has values.

    Returns 1 when the preview failed or a rule is broken. Raises LocalError when Pulumi gave no preview.
    """
    known = stack_files(checkout)
    if name not in known:
        raise LocalError(f"s={name!r}: there is no Pulumi.{name}.yaml; stacks: {', '.join(known)}")
    if diff:
        return stack.call(home, "preview", "--diff", name=name, checkout=checkout)
    # Imported here: the rules bring Pulumi's AWS types, and `make help` is to answer at once.
    from review import __main__ as review
    from review.preview import PreviewError

    argv, variables = stack.command(home, "preview", "--json", "--show-sames", name=name, checkout=checkout)
    with console.step(f"pulumi preview of {name}", estimate_s=ESTIMATE_S) as step:
        done = ask(argv, env=variables, cwd=checkout)
        for line in done.stderr.splitlines():
            step.update(line)
    try:
        text, good = review.summarise(done.stdout, name)
    except PreviewError as error:
        said = "\n    ".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise LocalError(f"`pulumi preview` ended with {done.returncode} and gave no preview:\n    {said}") from error
    console.say(text)
    console.say(f"With values: make preview{'' if name == stack.STACK else f' s={name}'} d=1")
    return 0 if good else 1


def run(call: Call) -> int:
    """Preview the stack that was chosen."""
    return show(call.home, call.console, call.options.stack, diff=call.options.diff)


COMMAND = Command(
    "what `pulumi up` would change; d=1: with values", "make preview s=staging", run,
    [
        STACK,
        Option("diff", "Pulumi's own diff, with values", make="d", kind=truth),
    ],
)  # fmt: skip
