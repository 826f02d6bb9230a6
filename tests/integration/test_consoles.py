"""Machines' screens and serial lines through the server, and who may look at them."""
import asyncio
import json
import struct
import sys
from typing import Any

import pytest
import websockets
from conftest import ROOT, Lab, refused, wait_for
from test_exec import Terminal
from test_guests import Service, act, make, remove, vm

sys.path.insert(0, str(ROOT / "tests/lib"))

from entering import DEADLINE, entering, hear, opened, until  # noqa: E402  (needs the path above)


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Any:
    return make(lab, "shown")["id"]


async def start(ws: Any, what: str) -> None:
    await ws.send(json.dumps({"type": "start", "what": what}))


async def hear_of(ws: Any, heard: bytearray, words: bytes) -> None:
    async def listen() -> None:
        while words not in heard:
            frame = await ws.recv()
            heard.extend(frame[1:] if isinstance(frame, bytes) else b"")

    await asyncio.wait_for(listen(), DEADLINE)


async def closed_with(ws: Any) -> int:
    """How it answers to what nobody understands; who is refused may hear of it first."""
    with pytest.raises(websockets.ConnectionClosed) as caught:
        await ws.send(json.dumps({"type": "dance"}))
        await asyncio.wait_for(ws.recv(), DEADLINE)
    return int(caught.value.code)


def test_a_screen_shows_what_the_machine_draws(lab: Lab, machine: str) -> None:
    """By hand, as RFC 6143 says: raw pixels of the whole screen, some of which are lit."""

    async def look() -> bytes:
        async with entering(lab, machine) as ws:
            heard = bytearray()

            async def say(data: bytes) -> None:
                await ws.send(b"\0" + data)

            await start(ws, "screen")
            version = await hear(ws, heard, 12)
            assert version.startswith(b"RFB 003.")
            await say(version)
            kinds = await hear(ws, heard, 1)
            assert 1 in await hear(ws, heard, kinds[0])  # no password
            await say(b"\1")
            assert await hear(ws, heard, 4) == bytes(4)
            await say(b"\1")  # others may look too
            width, height, bits = struct.unpack(">HHB", await hear(ws, heard, 5))
            await hear(ws, heard, 15)
            name = await hear(ws, heard, struct.unpack(">I", await hear(ws, heard, 4))[0])
            assert width >= 320 and height >= 200 and bits == 32 and name
            await say(struct.pack(">BxHi", 2, 1, 0))  # raw
            await say(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
            kind, rectangles = struct.unpack(">BxH", await hear(ws, heard, 4))
            assert kind == 0 and rectangles
            _, _, w, h, encoding = struct.unpack(">HHHHi", await hear(ws, heard, 12))
            assert encoding == 0
            return await hear(ws, heard, w * h * 4)

    assert any(asyncio.run(look()))


def test_the_shell_shows_a_serial_line(lab: Lab, machine: str) -> None:
    t = Terminal(lab, "Enter-VM shown")
    t.until("# ")
    t.type("echo it-is-$((1 + 1))\r")
    t.until("it-is-2")
    t.type("\r~.")
    assert t.end() == 1


def test_a_serial_line_is_read_and_typed_on(lab: Lab, machine: str) -> None:
    async def talk() -> tuple[bytes, dict[str, Any]]:
        async with entering(lab, machine) as ws:
            heard = bytearray()
            await start(ws, "serial")
            assert (await until(ws, "credit", heard))["bytes"] > 0
            await hear_of(ws, heard, b"# ")
            await ws.send(b"\0" + b"echo it-is-$((40 + 2))\r")
            await hear_of(ws, heard, b"it-is-42")
            loop = asyncio.get_running_loop()
            stopped = loop.run_in_executor(None, act, lab, machine, "stop", {"mode": "kill"})
            end = await until(ws, "end", heard)
            await stopped
            return bytes(heard), end

    heard, end = asyncio.run(talk())
    assert b"drover" in heard.lower()
    assert end == {"type": "end", "exit_code": 0, "signal": 0}


def test_what_is_off_shows_nothing(lab: Lab) -> None:
    dark = make(lab, "dark", power_on=False)["id"]

    async def look(what: str) -> dict[str, Any]:
        async with entering(lab, dark) as ws:
            await start(ws, what)
            return await until(ws, "end", bytearray())

    error = asyncio.run(look("screen"))["error"]
    assert error["code"] == "bad_state" and "dark" in error["message"] and "off" in error["message"]
    error = asyncio.run(look("window"))["error"]
    assert error["code"] == "invalid" and "window" in error["message"]
    remove(lab, dark)


def page(lab: Lab, **more: str) -> dict[str, str]:
    """What a browser sends from our own page."""
    return {"Cookie": f"__Host-drover={lab.api().token}", "Origin": f"https://127.0.0.1:{lab.port}", **more}


def ticket(lab: Lab, vm: str) -> str:
    made = lab.api().call("POST", f"/vms/{vm}/ticket")
    assert made["expires_in_s"] == 30
    return "?ticket=" + str(made["ticket"])


def test_a_page_wants_a_ticket_that_is_good_once(lab: Lab, machine: str) -> None:
    other = make(lab, "other", power_on=False)["id"]

    async def knock(query: str, who: str = "") -> int:
        headers = page(lab, **({"Cookie": who} if who else {}))
        async with opened(lab, machine, headers, query) as ws:
            return await closed_with(ws)

    async def all_of_them() -> None:
        inside, refused_at_the_door = 1002, 4403
        assert await knock("") == refused_at_the_door
        good = ticket(lab, machine)
        assert await knock(good) == inside
        assert await knock(good) == refused_at_the_door
        assert await knock(ticket(lab, other)) == refused_at_the_door
        stolen = ticket(lab, machine)
        thief = lab.anonymous()
        thief.login("admin", lab.password)
        assert await knock(stolen, f"__Host-drover={thief.token}") == refused_at_the_door
        assert await knock(stolen) == refused_at_the_door

    asyncio.run(all_of_them())
    remove(lab, other)


def test_another_sites_page_gets_no_socket(lab: Lab, machine: str) -> None:
    async def knock() -> None:
        async with opened(lab, machine, page(lab, Origin="https://elsewhere.example"), ticket(lab, machine)):
            pass

    with pytest.raises((websockets.InvalidHandshake, websockets.ConnectionClosed, OSError, EOFError)):
        asyncio.run(knock())


def test_it_is_written_down_and_only_for_operators(lab: Lab, machine: str) -> None:
    rows = lab.api().get("/audit?limit=50")["items"]
    assert {"screen", "serial line"} <= {r["detail"] for r in rows if r["action"] == "vm.console"}
    lab.api().call("POST", "/users", {"name": "looker", "password": "correct horse battery", "role": "read_only"})
    looker = lab.anonymous()
    looker.login("looker", "correct horse battery")
    refused("denied", "operator", looker.call, "POST", f"/vms/{machine}/ticket")


# What an agent inside is asked, answered by a shell: the tiny machine has no room for a real one.
HEART = r"""cat >/tmp/heart <<'END'
while :; do
for port in /sys/class/virtio-ports/*; do
grep -q guest_agent $port/name && exec 3<>/dev/${port##*/}
done
while read -r line <&3; do
case $line in
*sync*) printf '\377{"return":%s}\n' $(echo "$line" | sed 's/.*"id"[: ]*\([0-9]*\).*/\1/') >&3 ;;
*ping*) printf '{"return":{}}\n' >&3 ;;
*) printf '{"error":{"class":"CommandNotFound","desc":"unknown"}}\n' >&3 ;;
esac
done
exec 3>&-
sleep 1
done
END
sh /tmp/heart & echo it-is-$((1 + 1))
"""


def hurry(lab: Lab) -> None:
    """Guest monitoring waits for minutes else."""
    conf = lab.dir / "etc/droverd.conf"
    text = conf.read_text().replace("[stats]", "[stats]\ninterval_s = 5")
    conf.write_text(f"{text}\n[ha]\nguest_boot_s = 5\nguest_idle_s = 15\n")
    lab.restart_server()
    cluster = lab.all("clusters")[0]["id"]
    lab.api().call("PATCH", f"/clusters/{cluster}", {"ha_enabled": True, "ha_admission": "off", "ha_monitoring": "high"})


def test_a_machine_that_falls_silent_is_reset(lab: Lab) -> None:
    """With a picture of its screen; the line that its agent answers on is asked every 15 s."""
    hurry(lab)
    made = make(lab, "mute")
    first = Service(made["ip_address"])
    boot = first.ask("hello")
    first.close()
    t = Terminal(lab, "Enter-VM mute")
    t.until("# ")
    t.type(HEART.replace("\n", "\r"))
    t.until("it-is-2")
    beat = wait_for("its heart to beat", lambda: vm(lab, made["id"])["guest_heartbeat"], 60)
    wait_for("another beat", lambda: vm(lab, made["id"])["guest_heartbeat"] != beat, 60)
    t.type("kill -STOP $!; echo it-is-$((1 + 2))\r")
    t.until("it-is-3")
    t.type("\r~.")
    t.end()

    def said() -> list[str]:
        return [e["message"] for e in lab.all("events", f"&entity={made['id']}") if e["type"] == "VmDasBeingResetEvent"]

    message = wait_for("it to be reset", said, 180)[0]
    picture = f"console-pictures/{made['id']}.1.png"
    assert picture in message and "its console said last: " in message, message
    assert (lab.dir / "ds/shared" / picture).read_bytes().startswith(b"\x89PNG")
    again = Service(made["ip_address"])
    assert again.ask("hello") != boot, "it has booted"
    again.close()
    remove(lab, made["id"])
