#!/usr/bin/env -S python3 -IS
"""Runs dbt like the command of that name, in a process that the server forks. Imports as little as it can.

SOCKET names the server's socket. A server that is not there costs nothing but time: dbt is started as usual.
"""

import json
import os
import signal
import socket
import struct
import sys

SOCKET, USUAL = "HEADWATER_DBT_SOCKET", "HEADWATER_DBT"
"""Variables with the path of the server's socket, and of the dbt that is installed."""


def main() -> int:
    """Send the command with its streams, hand on signals, return dbt's exit status."""
    request = json.dumps({"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}).encode()
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(os.environ[SOCKET])
        except OSError:
            os.execv(os.environ[USUAL], [os.environ[USUAL], *sys.argv[1:]])  # noqa: S606 - our own variable
        socket.send_fds(server, [struct.pack("!I", len(request))], [0, 1, 2])
        server.sendall(request)
        process = number(server)
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda received, _: os.kill(process, received))
        return number(server)


def number(server: socket.socket) -> int:
    """Return the next number that the server sends; OSError where it is gone."""
    data = server.recv(4, socket.MSG_WAITALL)
    if len(data) < 4:
        raise OSError("the server of dbt is gone: the run's pod is short of memory, or about to end")
    return int(struct.unpack("!i", data)[0])


if __name__ == "__main__":
    sys.exit(main())
