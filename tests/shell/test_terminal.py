#!/usr/bin/python3
"""The shell at a terminal: test_terminal.py DROVER.

Keys go to a pseudo-terminal; each step waits for what must appear, never for time.
"""

import os
import pty
import re
import select
import stat
import sys
import tempfile
import time

DEADLINE_S = 20


class Terminal:
    """The shell in a pseudo-terminal."""

    def __init__(self, drover: str, home: str) -> None:
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            env = {"HOME": home, "PATH": os.environ["PATH"], "TERM": "vt100", "LC_ALL": "C.UTF-8", "COLUMNS": "100",
                   "DROVER_SERVERS": os.path.join(home, "servers.json"),
                   # libedit never frees the name of a function that was added to it.
                   "ASAN_OPTIONS": "detect_leaks=0"}
            os.execve(drover, [drover], env)

    def expect(self, pattern: str) -> None:
        """Read until pattern appears; what stood up to it is used up."""
        end = time.monotonic() + DEADLINE_S
        while not (m := re.search(pattern, self.seen)):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise SystemExit(f"no {pattern!r} in {self.seen!r}")
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            if not data:
                raise SystemExit(f"the shell ended before {pattern!r}: {self.seen!r}")
            self.seen += data.decode(errors="replace")
        self.seen = self.seen[m.end():]

    def keys(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> int:
        """The exit code; what is still printed is read, so that nothing blocks."""
        while True:
            try:
                data = os.read(self.fd, 4096)
                if not data:
                    break
                self.seen += data.decode(errors="replace")
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: test_terminal.py DROVER", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="drover-tty-") as home:
        t = Terminal(os.path.abspath(sys.argv[1]), home)
        t.expect("drover> ")
        t.keys("40 + 2\n")
        t.expect(r"\n42\r")
        t.expect("drover> ")
        t.keys("if ($true) {\n")
        t.expect(">> ")
        t.keys("'multi' + 'line'\n}\n")
        t.expect("multiline\r")
        t.expect("drover> ")
        t.keys("Get-Dat\t")
        t.expect("Get-Datacenter")
        t.keys("\x15'ü' + 'x'\n")
        t.expect("\nüx\r")
        t.expect("drover> ")
        t.keys("Write-Host tick; while ($true) { }\n")
        t.expect("tick\r")
        t.keys("\x03")
        t.expect("\\^C\r\n")
        t.keys("'still ' + 'here'\n")
        t.expect("still here\r")
        t.expect("drover> ")
        t.keys("'unfinished\n")
        t.expect(">> ")
        t.keys("\x03")
        t.expect("drover> ")
        t.keys("$x = 'a Password'\n")
        t.expect("drover> ")
        t.keys("exit 4\n")
        code = t.end()
        if code != 4:
            raise SystemExit(f"the exit code is {code}, not 4: {t.seen}")
        path = os.path.join(home, ".local/state/drover/history")
        with open(path, encoding="utf-8") as f:
            history = f.read()
        if "40" not in history or "assword" in history:
            raise SystemExit(f"the history is {history!r}")
        if stat.S_IMODE(os.stat(path).st_mode) != 0o600:
            raise SystemExit("others may read the history")
    return 0


if __name__ == "__main__":
    sys.exit(main())
