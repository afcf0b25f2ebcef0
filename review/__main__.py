"""`python -m review COMMAND`: the workflows call this. On your machine, use `make preview`, `cost` and `stack`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from review import github, markdown, preview, terminal
from review.cost import report
from review.rules import catalogue


def parser() -> argparse.ArgumentParser:
    """Return the parser of the commands."""
    top = argparse.ArgumentParser(prog="python -m review", description="What the reviewer of a change sees.")
    commands = top.add_subparsers(dest="command", required=True)
    summary = commands.add_parser("summary", help="a preview's summary; exit status 1 when it failed or breaks a rule")
    summary.add_argument("file", type=Path, help="output of `pulumi preview --json --show-sames`")
    summary.add_argument("--stack", required=True)
    summary.add_argument("--markdown", action="store_true", help="as a comment, not for a terminal")
    summary.add_argument("--link", help="address of the log, for the comment")
    comment = commands.add_parser("comment", help="put a summary on a pull request; GITHUB_TOKEN may write there")
    comment.add_argument("file", type=Path, help="output of `summary --markdown`")
    comment.add_argument("--stack", required=True)
    comment.add_argument("--number", type=int, required=True, help="of the pull request")
    commands.add_parser("stacks", help="the stacks that the files on standard input touch, as JSON")
    return top


def summarise(text: str, stack: str, *, as_markdown: bool = False, link: str | None = None) -> tuple[str, bool]:
    """Return a preview's summary, and whether it is fit to go on: it did not fail and breaks no rule.

    Rules about a whole stack need one made with --show-sames; a failed preview is not judged. Raises PreviewError.
    """
    found = preview.parse(text)
    if not found.is_whole:
        raise preview.PreviewError("the preview leaves unchanged resources out; make it with --show-sames")
    wanted = catalogue.requirements(found.config)
    broken = [] if found.errors else catalogue.lines(catalogue.broken(found.planned, wanted))
    cost = report.difference(stack, found)
    good = not found.errors and not broken
    if as_markdown:
        return markdown.comment(stack, found, violations=broken, cost=cost, link=link), good
    return terminal.screen(stack, found, violations=broken, cost=cost), good


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    chosen = parser().parse_args(arguments)
    try:
        if chosen.command == "summary":
            text, good = summarise(chosen.file.read_text(), chosen.stack, as_markdown=chosen.markdown, link=chosen.link)
            print(text)
            return 0 if good else 1
        if chosen.command == "stacks":
            from review import touched

            files = [line.strip() for line in sys.stdin if line.strip()]
            print(json.dumps(touched.stacks(files, touched.on_accounts())))
            return 0
        request = github.PullRequest(
            api=os.environ.get("GITHUB_API_URL", "https://api.github.com"),
            repository=os.environ["GITHUB_REPOSITORY"],
            number=chosen.number,
            token=os.environ["GITHUB_TOKEN"],
        )
        print(request.put_comment(markdown.marker(chosen.stack), chosen.file.read_text()))
    except KeyError as error:
        print(f"review {chosen.command}: the variable {error.args[0]} is not set", file=sys.stderr)
        return 2
    except (OSError, ValueError, github.GithubError) as error:
        print(f"review {chosen.command}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
