"""Has dbt imported, and forks for each command: importing it takes 3.6 CPU-s, and a run builds several groups.

A command has its own arguments, folder, environment and streams, so that it is like a start of dbt in all else.
"""

import json
import os
import select
import signal
import socket
import struct
import sys
from typing import Any, NoReturn

import dbt.adapters.trino  # noqa: F401 - dbt imports the adapter of its profile when it runs; here it is there before
from dbt.cli.main import cli
from dbt_common.invocation import reset_invocation_id


def serve(listener: socket.socket, parent: int) -> None:
    """Answer clients until the file descriptor `parent` ends, which whoever started the server holds open."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who answers
    while True:
        ready, _, _ = select.select([listener.fileno(), parent], [], [])
        if parent in ready:
            return
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            os.close(parent)
            answer(client)
        client.close()


def answer(client: socket.socket) -> NoReturn:
    """Run one command in a process of its own; tell the client its number, and how it ended.

    The command is killed if the client is: whoever killed it wants to have ended dbt.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(client, 4, 3)
    (size,) = struct.unpack("!I", length)
    request = json.loads(client.recv(size, socket.MSG_WAITALL))
    process = os.fork()
    if process == 0:
        client.close()
        run(request, streams)
    client.sendall(struct.pack("!i", process))
    ready, _, _ = select.select([client.fileno(), os.pidfd_open(process)], [], [])
    if client.fileno() in ready:
        os.kill(process, signal.SIGKILL)
        os._exit(0)
    _, status = os.waitpid(process, 0)
    client.sendall(struct.pack("!i", os.waitstatus_to_exitcode(status)))
    os._exit(0)


def run(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be dbt: with the streams, the folder and the environment of the client."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream, number in zip(streams, (0, 1, 2), strict=True):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["dbt", *request["arguments"]]
    reset_invocation_id()  # it is made at import, and names the results of one command
    sys.exit(cli())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
