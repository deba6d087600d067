"""Which port each service gets: the one it had, else the preferred one, else a free one.

A port is chosen some seconds before its service binds it, so another program can come between; `up` notices
that somebody else listens there, calls `forget` and chooses again.
"""

from __future__ import annotations

import socket
from collections.abc import Container, Mapping

__all__ = ["HOST", "Ports", "is_free"]

HOST = "127.0.0.1"


class Ports:
    """The ports of a stack.

    Args:
        remembered: What each service had, from the last time.
        in_use_by_us: Names of services that run and so hold their port themselves.
    """

    def __init__(self, remembered: Mapping[str, int], in_use_by_us: Container[str] = ()) -> None:
        self.chosen: dict[str, int] = dict(remembered)
        self._settled = {name for name in remembered if name in in_use_by_us}

    def claim(self, name: str, preferred: int | None = None) -> int:
        """The port of service `name`, the same one every time it is asked for."""
        if name not in self._settled:
            self.chosen[name] = self._choose(name, preferred)
            self._settled.add(name)
        return self.chosen[name]

    def forget(self, name: str) -> None:
        """Gives up the port of `name`, because it turned out to be somebody else's."""
        self.chosen.pop(name, None)
        self._settled.discard(name)

    def _choose(self, name: str, preferred: int | None) -> int:
        others = {port for other, port in self.chosen.items() if other != name}
        for port in (self.chosen.get(name), preferred):
            if port is not None and port not in others and is_free(port):
                return port
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.bind((HOST, 0))
                port = int(probe.getsockname()[1])
            if port not in others:
                return port


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a port whose last connections are only waiting out their time is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True
