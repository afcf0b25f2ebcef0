"""`make shop`: makes sales in the example company's shop."""

from __future__ import annotations

from cli.command import STACK, Call, Command, Option, count, positive
from cli.platform import jobs
from cli.platform.kube import Kube


def run(call: Call) -> int:
    """Write orders until they are all written, or until Ctrl-C."""
    orders = call.options.orders
    arguments = ["live", "--rate", f"{call.options.rate:g}", *([] if orders is None else ["--orders", str(orders)])]
    kube = Kube.asked(call)
    return jobs.run(kube, kube.platform.company, "shop-live", ["python", "-m", "petco"], arguments)


COMMAND = Command(
    "write new orders in the example company's shop", "make shop rate=50 orders=1000", run,
    [
        Option("rate", "orders a second", kind=positive, default=50.0),
        Option("orders", "stop after so many orders", kind=count),
        STACK,
    ],
)  # fmt: skip
