#!/usr/bin/python3
"""The shell in a real terminal: test_tmux.py DROVER.

tmux draws what the shell writes, so this sees what a person sees: the line being edited, what Tab shows, a search in the
history, a table after the window was made narrower.  Each step waits for what must appear, never for time.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fixture_server  # noqa: E402

DEADLINE_S = 30
SKIP = 77


class Screen:
    def __init__(self, folder: str, program: list[str], env: dict[str, str]) -> None:
        self.socket = os.path.join(folder, "tmux")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "-s", "s",
                  *[w for name, value in env.items() for w in ("-e", f"{name}={value}")], *program)

    def tmux(self, *words: str) -> str:
        return subprocess.run(["tmux", "-S", self.socket, *words], check=True, capture_output=True, text=True,
                              timeout=DEADLINE_S).stdout

    def lines(self) -> list[str]:
        return self.tmux("capture-pane", "-p", "-t", "s").rstrip("\n").split("\n")

    def expect(self, pattern: str) -> None:
        """Until the pattern is on the screen."""
        end = time.monotonic() + DEADLINE_S
        while not re.search(pattern, "\n".join(self.lines()), re.M):
            if time.monotonic() > end:
                raise SystemExit(f"no {pattern!r} in\n" + "\n".join(self.lines()))
            time.sleep(0.02)

    def keys(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "s", *keys)

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-t", "s", "-l", text)

    def run(self, line: str, pattern: str) -> None:
        self.clear()
        self.type(line)
        self.keys("Enter")
        self.expect(pattern)

    def clear(self) -> None:
        self.keys("C-u")
        self.type("cls")
        self.keys("Enter")
        self.expect(r"\Adrover>$")


def connect(s: Screen, port: int) -> None:
    """An authority that is met for the first time has to be confirmed, and is remembered."""
    line = f"Connect-VIServer 127.0.0.1 -Port {port} -User admin -Password secret"
    s.type(line)
    s.keys("Enter")
    s.expect(r"Trust it\? \[y/N\]")
    s.type("n")
    s.keys("Enter")
    s.expect("its certificate is not trusted")
    s.clear()
    s.type(line + " -SaveCredentials")
    s.keys("Enter")
    s.expect(r"([0-9a-f]{2}:){31}[0-9a-f]{2}")
    s.expect(r"Trust it\? \[y/N\]")
    s.type("y")
    s.keys("Enter")
    s.expect(r"^127\.0\.0\.1 +\d+ +admin")


def complete(s: Screen) -> None:
    s.clear()
    s.type("Get-Datac")
    s.keys("Tab")
    s.expect("^drover> Get-Datacenter$")
    s.clear()
    s.type("Get-VM web-")
    s.keys("Tab")
    s.expect("^drover> Get-VM web-0$")
    s.keys("Tab")
    s.expect("web-01 +web-02")
    s.type("1 -Loc")
    s.keys("Tab")
    s.expect("Get-VM web-01 -Location$")


def search(s: Screen) -> None:
    s.run("'needle ' + 1", "^needle 1$")
    s.run("'other'", "^other$")
    s.clear()
    s.keys("C-r")
    s.type("needle")
    s.expect(r"needle ' \+ 1")
    s.keys("Enter", "Enter")
    s.expect("^needle 1$")
    s.clear()
    s.keys("Up", "Up")
    s.expect(r"^drover> 'needle ' \+ 1$")


def again(s: Screen) -> None:
    """What was typed, as a script."""
    s.run("'seven ' + 7", "^seven 7$")
    s.run('(Get-History | ? CommandLine -like *seven* | select -First 1).CommandLine | Set-Content "$HOME/again.ps1"; & "$HOME/again.ps1"', "^seven 7$")


def interrupt(s: Screen) -> None:
    s.run("$i = 0; while ($true) { $i++; if ($i -eq 5) { 'going' } }", "^going$")
    s.keys("C-c")
    s.expect(r"\^C")
    s.run("1..9000000 | ForEach-Object { if ($_ -eq 5) { 'flowing' } } ", "^flowing$")
    s.keys("C-c")
    s.run("'still ' + 'here'", "^still here$")
    # What was asked for goes on, and is named: while it is waited for, and before.
    s.run("New-VM slow-1,slow-2 -Template tiny | Out-Null", "slow-1: 10 %")
    s.keys("C-c")
    s.expect(r"going on: task-\d+ \(slow-1\), task-\d+ \(slow-2\); Stop-Task")
    s.run("1..9000000 | % { if ($_ -lt 3) { \"slow-a$_\" } elseif ($_ -eq 9) { Write-Host 'both sent' } } | New-VM -Template tiny", "^both sent")
    s.keys("C-c")
    s.expect(r"going on: task-\d+ \(slow-a1\), task-\d+ \(slow-a2\); Stop-Task")
    s.run("(Get-Task -Status Running).Count", "^4$")


def resize(s: Screen) -> None:
    s.run("Get-VMHost | Format-Table Name, ConnectionState, Version, Build, Model, Address", "^Name .*Address")
    s.tmux("resize-window", "-t", "s", "-x", "40", "-y", "30")
    s.run("Get-VMHost | Format-Table Name, ConnectionState, Version, Build, Model, Address", "^Name +Conn")
    if any(len(line) > 40 for line in s.lines()):
        raise SystemExit("a line is longer than the window")
    if any(re.match("Name +Conn.*Address", line) for line in s.lines()):
        raise SystemExit("the last column should have had no room: " + "\n".join(s.lines()))
    s.tmux("resize-window", "-t", "s", "-x", "100", "-y", "30")


def paste(s: Screen) -> None:
    """Many lines at once, as from a clipboard."""
    s.clear()
    text = "$sum = 0\n" + "".join(f"$sum += {i}\n" for i in range(300)) + "\"sum $sum\"\n"
    subprocess.run(["tmux", "-S", s.socket, "load-buffer", "-"], input=text, text=True, check=True, timeout=DEADLINE_S)
    s.tmux("paste-buffer", "-t", "s")
    s.expect(f"^sum {sum(range(300))}$")


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: test_tmux.py DROVER", file=sys.stderr)
        return 2
    if not shutil.which("tmux"):
        print("there is no tmux")
        return SKIP
    with tempfile.TemporaryDirectory(prefix="drover-tmux-") as folder:
        server, _ = fixture_server.start(folder)
        env = {"HOME": folder, "LC_ALL": "C.UTF-8", "DROVER_SERVERS": os.path.join(folder, "saved.json"),
               # libedit never frees the name of a function that was added to it.
               "ASAN_OPTIONS": "detect_leaks=0"}
        s = Screen(folder, [os.path.abspath(sys.argv[1])], env)
        try:
            s.expect("^drover>")
            connect(s, server.server_address[1])
            for step in (complete, search, again, interrupt, resize, paste):
                step(s)
                print(f"{step.__name__}: as it should be")
        finally:
            subprocess.run(["tmux", "-S", s.socket, "kill-server"], check=False, capture_output=True, timeout=DEADLINE_S)
            server.shutdown()
            server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
