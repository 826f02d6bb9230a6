#!/usr/bin/python3
"""How fast the shell starts, lists and completes.

The server is a stand-in that answers from bytes made beforehand, so that what is measured is the shell: 5,000 machines in
pages as droverd gives them.  Memory is the most that the shell held.  Wanted: start under 30 ms, first row under 200 ms,
all under 1 s in 60 MB, completion under 50 ms."""
import argparse
import http.server
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/shell"), str(ROOT / "bench")]
import fixture_server  # noqa: E402
from lab_client import percentile, report  # noqa: E402

GUESTS = 5000


class Pages(http.server.BaseHTTPRequestHandler):
    """Lists by page, each made once."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    world: fixture_server.World
    made: dict[str, bytes] = {}

    def log_message(self, *_: object) -> None:
        pass

    def page(self) -> bytes:
        url = urllib.parse.urlsplit(self.path)
        q = dict(urllib.parse.parse_qsl(url.query))
        plural = url.path.rsplit("/", 1)[1]
        items = [fixture_server.shown(o) for o in self.world.objects.values()
                 if o["id"].rsplit("-", 1)[0] == fixture_server.PLURAL.get(plural)]
        if "q" in q:
            items = [o for o in items if fixture_server.wild(q["q"][5:], o["name"])]
        at, limit = int(q.get("offset", 0)), int(q.get("limit", 200))
        more = at + limit < len(items)
        after = urllib.parse.urlencode({**q, "offset": str(at + limit)})
        return json.dumps({"items": items[at:at + limit], "total": len(items), "rev": 1,
                           "next": f"/api/v1/{plural}?{after}" if more else None}).encode()

    def do_GET(self) -> None:  # noqa: N802
        body = self.made.get(self.path) or self.made.setdefault(self.path, self.page())
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def timed(program: str, env: dict[str, str], *args: str) -> tuple[float, float]:
    """Seconds to the first byte of output and to the end."""
    begin = time.monotonic()
    with subprocess.Popen([program, *args], env=env, stdout=subprocess.PIPE) as p:
        assert p.stdout
        p.stdout.read(1)
        first = time.monotonic() - begin
        p.stdout.read()
        if p.wait():
            raise SystemExit(f"{args}: status {p.returncode}")
    return first, time.monotonic() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="the shell")
    parser.add_argument("--rounds", type=int, default=7)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drover-bench-") as folder:
        server, world = fixture_server.start(folder)
        Pages.world = world
        server.RequestHandlerClass = Pages
        for i in range(GUESTS):
            world.vm(f"vm-{1000 + i}", f"guest-{i:04}", "folder-1", "host-1", "powered_on", 2, 2048)
        settings = os.path.join(folder, "servers.json")
        with open(os.open(settings, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as f:
            json.dump({"default": "lab", "servers": {"lab": {"address": "127.0.0.1", "port": server.server_address[1],
                       "ca": os.path.join(folder, "ca.pem"), "user": "admin", "token": "secret-token"}}}, f)
        env = {"HOME": folder, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "DROVER_SERVERS": settings}
        runs = {name: [timed(a.program, env, *args) for _ in range(a.rounds + 1)][1:] for name, args in {
            "start": ("-c", "1"), "list": ("-c", "Get-VM"), "complete": ("--complete", "Get-VM guest-12"),
        }.items()}
        server.shutdown()
        server.server_close()
    report("shell_start", percentile([end for _, end in runs["start"]], 50) * 1000, "ms")
    report(f"shell_list_{GUESTS}_first_row", percentile([first for first, _ in runs["list"]], 50) * 1000, "ms")
    report(f"shell_list_{GUESTS}_all", percentile([end for _, end in runs["list"]], 50) * 1000, "ms")
    report(f"shell_complete_{GUESTS}", percentile([end for _, end in runs["complete"]], 50) * 1000, "ms")
    report("shell_memory_most", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, "MiB")


if __name__ == "__main__":
    main()
