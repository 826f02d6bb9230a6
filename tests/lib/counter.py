"""A client that holds one TCP connection to a machine's counter and notices every gap."""
import socket
import threading
import time
from typing import Optional


# TCP doubles its waits: who was away for 27 s hears nothing for 54.
PATIENCE_S = 120


class Counter:
    """Asks for the next number again and again; no number may be lost or come twice."""

    def __init__(self, address: str, every: float = 0.002) -> None:
        self.sock = socket.create_connection((address, 7000), timeout=PATIENCE_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.every = every
        self.answers = 0
        self.largest_gap = 0.0
        self.wrong: Optional[str] = None
        self._last: Optional[int] = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        file = self.sock.makefile("rb")
        before = time.monotonic()
        try:
            while not self._ending.wait(self.every):
                self.sock.sendall(b"count\n")
                line = file.readline()
                now = time.monotonic()
                if not line:
                    raise ConnectionError("the connection was closed")
                number = int(line)
                if self._last is not None and number != self._last + 1:
                    raise ValueError(f"{number} came after {self._last}")
                self._last = number
                self.largest_gap = max(self.largest_gap, now - before)
                before = now
                self.answers += 1
        except (OSError, ValueError) as e:
            self.wrong = str(e)

    def take_gap(self) -> float:
        """The largest gap since the last call, in seconds."""
        gap, self.largest_gap = self.largest_gap, 0.0
        return gap

    def healthy(self) -> bool:
        return self.wrong is None and self._thread.is_alive()

    def end(self) -> int:
        """How many answers came; raises if one was wrong."""
        self._ending.set()
        self._thread.join(PATIENCE_S + 5)
        self.sock.close()
        if self.wrong:
            raise AssertionError(f"the counter's connection: {self.wrong}")
        return self.answers
