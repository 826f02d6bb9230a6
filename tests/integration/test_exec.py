"""Programs inside containers for somebody who waits: their output, their terminal, their files, and who breaks off."""
import asyncio
import fcntl
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import termios
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
import websockets
from conftest import BUILD, ROOT, Lab, refused, wait_for

sys.path.insert(0, str(ROOT / "tests/lib"))

from entering import DEADLINE, entering, until  # noqa: E402  (needs the path above)

MIB = 1 << 20


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One host with one container that runs."""
    if os.geteuid() != 0:
        pytest.skip("labs need root")
    made = Lab(Path(tempfile.mkdtemp(prefix="drover-lab-")) / "lab", 1, 0, "qemu", containers=1)
    try:
        made.up()
        if not made.all("vms"):
            pytest.skip("no container runs here: see template busybox in the lab's log")
        yield made
    finally:
        made.destroy()
        shutil.rmtree(made.dir.parent, ignore_errors=True)


@pytest.fixture
def ct(lab: Lab) -> str:
    found: str = lab.find("vms", "ct-1")["id"]
    return found


def run(lab: Lab, ct: str, script: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = lab.api().call("POST", f"/vms/{ct}/exec", {"args": ["/bin/sh", "-c", script], **more})
    return answer


def runs_inside(lab: Lab, ct: str, words: str) -> bool:
    return words in run(lab, ct, "ps")["stdout"]


def shell(lab: Lab, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BUILD / "bin/drover"), "-c", text],
        env={**os.environ, "DROVER_SERVERS": str(lab.dir / "etc/servers.json")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE,
    )


# ---- a program and its answer


def test_output_and_exit_code_come_back(lab: Lab, ct: str) -> None:
    done = run(lab, ct, "cat; echo oops >&2; exit 3", input="grüße\n")
    assert done == {"exit_code": 3, "signal": 0, "stdout": "grüße\n", "stderr": "oops\n", "truncated": False}
    own = run(lab, ct, "echo $A $PWD; id -u", env=["A=b"], cwd="/tmp", uid=33, gid=33)
    assert own["stdout"] == "b /tmp\n33\n"


def test_it_has_the_containers_processes_alone(lab: Lab, ct: str) -> None:
    listed = run(lab, ct, "ps; hostname")["stdout"]
    assert "    1 root     init" in listed and "ct-1" in listed
    assert "drover-agent" not in listed


def test_what_is_no_text_is_replaced_and_too_much_is_cut(lab: Lab, ct: str) -> None:
    assert run(lab, ct, "printf 'a\\377b'")["stdout"] == "a\ufffdb"
    much = run(lab, ct, f"head -c {3 * MIB} /dev/zero | tr '\\0' x")
    assert len(much["stdout"]) == MIB and much["truncated"] and much["exit_code"] == 0


def test_a_program_that_is_not_there_says_so(lab: Lab, ct: str) -> None:
    done = lab.api().call("POST", f"/vms/{ct}/exec", {"args": ["/no/such"]})
    assert done["exit_code"] not in (0, None)
    assert "/no/such" in done["stderr"]


def test_late_programs_are_ended(lab: Lab, ct: str) -> None:
    refused("timeout", "within 1 s", lab.api().call, "POST", f"/vms/{ct}/exec",
            {"args": ["/bin/sleep", "4321"], "timeout_s": 1})
    wait_for("the end of the program", lambda: not runs_inside(lab, ct, "4321"))


def test_bad_requests_are_named(lab: Lab, ct: str) -> None:
    api = lab.api()
    for body, words in (
        ({}, "args"), ({"args": []}, "args"), ({"args": [1]}, "args"), ({"args": ["x"], "env": "A=b"}, "env"),
        ({"args": ["x"], "timeout_s": 0}, "timeout_s"), ({"args": ["x"], "nonsense": 1}, "nonsense"),
        ({"args": ["/bin/true"], "env": ["nameless"]}, "nameless"), ({"args": ["/bin/true"], "cwd": "tmp"}, "absolute"),
    ):
        refused("invalid", words, api.call, "POST", f"/vms/{ct}/exec", body)
    refused("too_large", "env", api.call, "POST", f"/vms/{ct}/exec",
            {"args": ["/bin/true"], "env": ["A=" + "x" * 200000]})
    refused("not_found", "vm-999", api.call, "POST", "/vms/vm-999/exec", {"args": ["/bin/true"]})


def test_it_is_written_down(lab: Lab, ct: str) -> None:
    run(lab, ct, "echo unheard-of")
    event = lab.api().get(f"/events?entity={ct}&limit=1")["items"][0]
    assert event["type"] == "VmProgramRunEvent" and "unheard-of" in event["message"]
    row = lab.api().get("/audit?limit=1")["items"][0]
    assert row["action"] == "vm.exec" and "unheard-of" in row["detail"]


def test_only_operators_get_in(lab: Lab, ct: str) -> None:
    lab.api().call("POST", "/users", {"name": "reader", "password": "correct horse battery", "role": "read_only"})
    reader = lab.anonymous()
    reader.login("reader", "correct horse battery")
    refused("denied", "operator", reader.call, "POST", f"/vms/{ct}/exec", {"args": ["/bin/true"]})
    status, _ = reader.raw("GET", f"/api/v1/vms/{ct}/log", None, {})
    assert status == 200
    status, _ = reader.raw("GET", f"/api/v1/vms/{ct}/files?path=/etc", None, {})
    assert status == 403

    async def enter() -> int:
        async with entering(lab, ct, reader.token) as ws:
            with pytest.raises(websockets.ConnectionClosed) as caught:
                await asyncio.wait_for(ws.recv(), DEADLINE)
            return int(caught.value.code)

    assert asyncio.run(enter()) == 4403


# ---- a terminal


def test_pipes_over_a_socket(lab: Lab, ct: str) -> None:
    async def talk() -> tuple[dict[str, Any], bytes]:
        heard = bytearray()
        async with entering(lab, ct) as ws:
            await ws.send(json.dumps({"type": "start", "args": ["/bin/cat"], "tty": False}))
            credit = (await until(ws, "credit", heard))["bytes"]
            for _ in range(40):
                piece = b"\0" + b"x" * 16000
                while credit < len(piece) - 1:
                    credit += (await until(ws, "credit", heard))["bytes"]
                credit -= len(piece) - 1
                await ws.send(piece)
            await ws.send(json.dumps({"type": "end"}))
            return await until(ws, "end", heard), bytes(heard)

    end, heard = asyncio.run(talk())
    assert end["exit_code"] == 0 and heard == b"x" * 640000


def test_credit_that_comes_after_the_end_of_input_is_nobodys(lab: Lab, ct: str) -> None:
    async def talk() -> dict[str, Any]:
        async with entering(lab, ct) as ws:
            await ws.send(json.dumps({"type": "start", "args": ["/bin/sh", "-c", "sleep 1; wc -c"], "tty": False}))
            credit = (await until(ws, "credit", bytearray()))["bytes"]
            for _ in range(3):
                await ws.send(b"\0" + b"x" * 16000)
            assert credit >= 48000
            await ws.send(json.dumps({"type": "end"}))
            while True:
                frame = await asyncio.wait_for(ws.recv(), DEADLINE)
                if isinstance(frame, bytes):
                    assert frame == b"\x0148000\n"
                    continue
                message: dict[str, Any] = json.loads(frame)
                if message["type"] == "credit":  # of what was taken in before the end was heard of
                    assert message["bytes"] <= 48000
                elif message["type"] != "started":
                    return message

    assert asyncio.run(talk()) == {"type": "end", "exit_code": 0, "signal": 0}


def test_a_program_waits_for_who_does_not_read(lab: Lab, ct: str) -> None:
    """Without bound it would fill the server's memory."""
    async def idle() -> None:
        async with entering(lab, ct) as ws:
            await ws.send(json.dumps({"type": "start", "args": ["/usr/bin/yes"], "tty": False}))
            await until(ws, "started", bytearray())
            ws.transport.pause_reading()
            pid = lab.pid("droverd")
            before = resident_kib(pid)
            ends = time.monotonic() + 3
            while time.monotonic() < ends:
                assert resident_kib(pid) < before + 32 * 1024
                await asyncio.sleep(0.1)  # between looks

    asyncio.run(idle())
    wait_for("the end of the program", lambda: not runs_inside(lab, ct, "/usr/bin/yes"))


def resident_kib(pid: int) -> int:
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS:"))
    return int(line.split()[1])


@pytest.mark.parametrize("first", [b"\0too early", "no json", '{"type":"dance"}'])
def test_who_breaks_the_rules_is_cut(lab: Lab, ct: str, first: Any) -> None:
    async def talk() -> int:
        async with entering(lab, ct) as ws:
            with pytest.raises(websockets.ConnectionClosed) as caught:
                await ws.send(first)
                await asyncio.wait_for(ws.recv(), DEADLINE)
            return int(caught.value.code)

    assert asyncio.run(talk()) == 1002


def test_who_goes_away_ends_what_runs(lab: Lab, ct: str) -> None:
    async def leave() -> None:
        async with entering(lab, ct) as ws:
            await ws.send(json.dumps({"type": "start", "args": ["/bin/sleep", "5432"]}))
            await until(ws, "started", bytearray())  # it is on its way
            wait_for("the program", lambda: runs_inside(lab, ct, "5432"))

    asyncio.run(leave())
    wait_for("the end of the program", lambda: not runs_inside(lab, ct, "5432"))


class Terminal:
    """The shell on a terminal of its own."""

    def __init__(self, lab: Lab, text: str) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ["DROVER_SERVERS"] = str(lab.dir / "etc/servers.json")
            os.execv(str(BUILD / "bin/drover"), ["drover", "-c", text])
        self.heard = ""
        self.size(30, 100)

    def size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def until(self, pattern: str) -> str:
        """What answers to the pattern; all up to its end is used up."""
        end = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, self.heard)):
            ready, _, _ = select.select([self.fd], [], [], max(0.0, end - time.monotonic()))
            assert ready, self.heard
            try:
                self.heard += os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                pytest.fail(f"it ended before {pattern!r}: {self.heard!r}")
        self.heard = self.heard[found.end():]
        return found[0]

    def is_sane(self) -> bool:
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_the_shell_enters(lab: Lab) -> None:
    t = Terminal(lab, 'Enter-VM ct-1; "code $LASTEXITCODE"')
    t.until("# ")
    assert not t.is_sane()
    t.type("tty; stty size; echo it-is-$((1 + 1))\r")
    t.until("/dev/pts/")
    t.until("30 100")
    t.until("it-is-2")
    t.size(44, 133)
    wait_for("the new size", lambda: new_size(t))
    t.type("echo be-$((2 + 3)); sleep 100\r")
    t.until("be-5")
    t.type("\x03")
    t.type("echo after-$?\r")
    t.until("after-130")
    t.type("exit 7\r")
    t.until("code 7")
    assert t.end() == 0


def new_size(t: Terminal) -> bool:
    """What a shell inside is told; its line editor draws the line anew whenever the size changes."""
    t.type("stty size | tr ' ' x\r")
    return "44x133" in t.until(r"\d+x\d+\r\n")


def test_the_terminal_is_given_back_whatever_happens(lab: Lab) -> None:
    for blow in (lambda t: t.type("\r~."), lambda t: os.kill(t.pid, signal.SIGTERM)):
        t = Terminal(lab, "Enter-VM ct-1")
        t.until("# ")
        keep = os.open(os.readlink(f"/proc/{t.pid}/fd/0"), os.O_RDWR | os.O_NOCTTY)
        blow(t)
        t.end()
        assert termios.tcgetattr(keep)[3] & termios.ECHO
        os.close(keep)
        os.close(t.fd)


def test_without_a_terminal_nobody_enters(lab: Lab) -> None:
    done = shell(lab, "Enter-VM ct-1")
    assert done.returncode and "wants a terminal" in done.stderr


def test_the_shell_runs_scripts(lab: Lab) -> None:
    done = shell(lab, "Get-VM ct-1 | Invoke-VMScript -ScriptText 'ps; echo bad >&2; exit 4' | ConvertTo-Json")
    got = json.loads(done.stdout)
    assert got["ExitCode"] == 4 and got["ScriptError"] == "bad" and " 1 root " in got["ScriptOutput"], done
    assert "drover-tiny" in shell(lab, "Get-VMLog ct-1 -Tail 20").stdout


# ---- files


def get(lab: Lab, ct: str, path: str) -> bytes:
    whole, more = b"", ""
    api = lab.api()
    while True:
        conn = api.clone()
        conn.token = api.token
        conn.raw("GET", "/healthz", None, {})
        assert conn.conn
        conn.conn.request("GET", f"/api/v1/vms/{ct}/files?path={path}{more}", None,
                          {"Authorization": "Bearer " + api.token})
        answer = conn.conn.getresponse()
        body = answer.read()
        assert answer.status in (200, 206), body
        whole += body
        if answer.status == 200:
            return whole
        more = f"&transfer={answer.headers['X-Drover-Transfer']}&offset={len(whole)}"


def put(lab: Lab, ct: str, path: str, tar: bytes) -> None:
    at, more = 0, ""
    while True:
        piece = tar[at:at + MIB]
        last = at + len(piece) == len(tar)
        status, body = lab.api().raw("PUT", f"/api/v1/vms/{ct}/files?path={path}{more}&last={int(last)}", piece, {})
        answer = json.loads(body)
        assert status == 200, answer
        at += len(piece)
        assert answer["size_bytes"] == at
        if last:
            return
        more = f"&transfer={answer['transfer']}&offset={at}"


def test_files_go_in_and_come_out(lab: Lab, ct: str) -> None:
    noise = os.urandom(3 * MIB + 77)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("deep/down/noise")
        info.size, info.uid, info.gid, info.mode = len(noise), 33, 34, 0o4751
        tar.addfile(info, io.BytesIO(noise))
    put(lab, ct, "/root", out.getvalue())
    assert run(lab, ct, "stat -c '%u %g %a %s' /root/deep/down/noise")["stdout"] == f"33 34 4751 {len(noise)}\n"
    with tarfile.open(fileobj=io.BytesIO(get(lab, ct, "/root/deep"))) as tar:
        member = tar.getmember("deep/down/noise")
        assert (member.uid, member.gid, member.mode) == (33, 34, 0o4751)
        file = tar.extractfile(member)
        assert file and file.read() == noise


def test_no_link_leads_out_of_the_container(lab: Lab, ct: str) -> None:
    run(lab, ct, "ln -sf /etc/shadow /tmp/out; ln -sfn / /tmp/all; ln -sfn ../../../../.. /tmp/up")
    for path in ("/tmp/all/etc/hostname", "/tmp/up/etc/hostname", "/../../etc/hostname"):
        with tarfile.open(fileobj=io.BytesIO(get(lab, ct, path))) as tar:
            file = tar.extractfile("hostname")
            assert file and file.read().strip() == b"ct-1"
    with tarfile.open(fileobj=io.BytesIO(get(lab, ct, "/tmp/out"))) as tar:
        assert tar.getmember("out").issym()


def test_tars_that_climb_are_refused(lab: Lab, ct: str) -> None:
    for name, owner, words in (("../../bad", 0, "climbs"), ("f", 70000, "owner")):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            info = tarfile.TarInfo(name)
            info.uid = owner
            tar.addfile(info)
        status, body = lab.api().raw("PUT", f"/api/v1/vms/{ct}/files?path=/root&last=1", out.getvalue(), {})
        assert status >= 400 and words in json.loads(body)["error"]["message"], body


def test_the_shell_copies(lab: Lab, ct: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_bytes(os.urandom(2 * MIB))
    (tmp_path / "back").mkdir()
    there = shell(lab, f"Copy-VMGuestFile {tmp_path}/in /root ct-1 -LocalToGuest")
    assert there.returncode == 0, there.stderr
    assert run(lab, ct, "stat -c %u /root/in/a; chmod 6755 /root/in/a")["stdout"] == "0\n"
    back = shell(lab, f"Get-VM ct-1 | Copy-VMGuestFile /root/in {tmp_path}/back -GuestToLocal")
    assert back.returncode == 0, back.stderr
    assert (tmp_path / "back/in/a").read_bytes() == (tmp_path / "in/a").read_bytes()
    # Inside the bits mean little; here they would make a program root's.
    assert (tmp_path / "back/in/a").stat().st_mode & 0o7000 == 0
    refused = shell(lab, f"Get-VM ct-1 | Copy-VMGuestFile /proc/version {tmp_path}/back -GuestToLocal")
    assert refused.returncode != 0 and "not the guest's files" in refused.stderr and "tar" not in refused.stderr


# ---- what breaks in the middle


def test_an_agent_that_dies_ends_what_waits(lab: Lab, ct: str) -> None:
    async def lose() -> dict[str, Any]:
        async with entering(lab, ct) as ws:
            await ws.send(json.dumps({"type": "start", "args": ["/bin/sleep", "6543"], "tty": False}))
            await until(ws, "started", bytearray())
            # "started" is the runtime's word: the program comes a moment later.
            wait_for("the program", lambda: runs_inside(lab, ct, "6543"))
            lab.kill("agent-1")
            return await until(ws, "end", bytearray())

    end = asyncio.run(lose())
    assert end["error"]["code"] == "lost"
    wait_for("the server to see it", lambda: lab.connected() == 0)
    lab.quickstart("start")
    wait_for("the host", lambda: lab.connected() == 1, 60)
    wait_for("the end of the program", lambda: not runs_inside(lab, ct, "6543"))


def test_a_container_that_stops_ends_what_runs_in_it(lab: Lab, ct: str) -> None:
    async def stop() -> dict[str, Any]:
        async with entering(lab, ct) as ws:
            await ws.send(json.dumps({"type": "start", "args": ["/bin/sleep", "7654"]}))
            await until(ws, "started", bytearray())
            task = lab.api().call("POST", f"/vms/{ct}/stop", {"mode": "kill"})["task"]
            end = await until(ws, "end", bytearray())
            lab.api().wait(task)
            return end

    end = asyncio.run(stop())
    assert end.get("exit_code") != 0 or end.get("signal") or end.get("error")
    refused("bad_state", "powered_off", run, lab, ct, "true")
    lab.api().do("POST", f"/vms/{ct}/start", {})
    assert run(lab, ct, "true")["exit_code"] == 0
    lab.api().do("POST", f"/vms/{ct}/pause", {})
    refused("bad_state", "paused", run, lab, ct, "true")
    lab.api().do("POST", f"/vms/{ct}/resume", {})
