"""Put first on PYTHONPATH: every connection that a process asks for, and every name it looks up, becomes a line of
$CADC_SOCKETS."""

import os
import sys


def _note(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        address = args[0] if event == "socket.getaddrinfo" else args[1]
        with open(os.environ["CADC_SOCKETS"], "a") as file:
            file.write(f"{event} {address!r}\n")


if os.environ.get("CADC_SOCKETS"):
    sys.addaudithook(_note)
