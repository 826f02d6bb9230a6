"""The WebSocket: a snapshot, deltas by revision, resuming, and those who do not read."""
import asyncio
import json
import ssl
from typing import Any, AsyncIterator
from contextlib import asynccontextmanager

import pytest
import websockets
from conftest import Lab

DEADLINE = 30


class Socket:
    def __init__(self, ws: Any) -> None:
        self.ws = ws

    async def get(self) -> dict[str, Any]:
        while True:
            frame = json.loads(await asyncio.wait_for(self.ws.recv(), DEADLINE))
            if frame["type"] != "ping":
                return frame

    async def send(self, **frame: Any) -> None:
        await self.ws.send(json.dumps(frame))

    async def until(self, kind: str) -> dict[str, Any]:
        while True:
            frame = await self.get()
            if frame["type"] == kind:
                return frame


@asynccontextmanager
async def watching(lab: Lab, token: str, **more: Any) -> AsyncIterator[Socket]:
    headers = {"Authorization": "Bearer " + token} if token else {}
    async with websockets.connect(
        f"wss://127.0.0.1:{lab.port}/api/v1/watch",
        ssl=ssl.create_default_context(cafile=str(lab.dir / "ca/ca.pem")),
        subprotocols=["drover.v1"],
        extra_headers=headers,
        max_size=None,
        **more,
    ) as ws:
        yield Socket(ws)


async def change(lab: Lab, name: str) -> dict[str, Any]:
    def make() -> dict[str, Any]:
        return lab.api().call("POST", "/folders", {"name": name, "parent": lab.all("datacenters")[0]["id"]})

    return await asyncio.to_thread(make)


def test_snapshot_then_deltas(lab: Lab) -> None:
    async def run() -> None:
        async with watching(lab, lab.api().token) as s:
            hello = await s.get()
            assert hello["type"] == "hello" and hello["ring_start"] <= hello["rev"]
            await s.send(type="sub", id=1, kind="inventory")
            snap = await s.until("snap")
            kinds = {o["kind"] for o in snap["items"]}
            assert {"dc", "cluster", "host", "pool", "template", "datastore"} <= kinds
            assert not kinds & {"task", "user"}
            folder = await change(lab, "seen-by-watch")
            while True:
                delta = await s.until("delta")
                if folder["id"] in delta["set"]:
                    break
            assert delta["set"][folder["id"]]["name"] == "seen-by-watch"
            await asyncio.to_thread(lab.api().call, "PATCH", f"/folders/{folder['id']}", {"name": "renamed"})
            while True:
                delta = await s.until("delta")
                if folder["id"] in delta["set"]:
                    break
            assert delta["set"][folder["id"]]["name"] == "renamed"
            assert "created_at" not in delta["set"][folder["id"]], "a patch holds what changed"
            await asyncio.to_thread(lab.api().call, "DELETE", f"/folders/{folder['id']}")
            while folder["id"] not in (await s.until("delta"))["del"]:
                pass

    asyncio.run(run())


def test_resuming_by_revision(lab: Lab) -> None:
    async def run() -> None:
        token = lab.api().token
        async with watching(lab, token) as s:
            hello = await s.get()
            await s.send(type="sub", id=1, kind="inventory")
            rev = (await s.until("snap"))["rev"]
        folder = await change(lab, "while-away")
        async with watching(lab, token) as s:
            await s.get()
            await s.send(type="sub", id=1, kind="inventory", since=rev, boot=hello["boot"])
            frame = await s.get()
            assert frame["type"] == "delta" and folder["id"] in frame["set"]
        async with watching(lab, token) as s:
            await s.get()
            await s.send(type="sub", id=1, kind="inventory", since=rev, boot="another run")
            assert (await s.get())["type"] == "snap", "revisions of another run mean nothing"

    asyncio.run(run())


def test_events_come_as_they_happen(lab: Lab) -> None:
    async def run() -> None:
        async with watching(lab, lab.api().token) as s:
            await s.send(type="sub", id=3, kind="events")
            assert (await s.until("snap"))["id"] == 3
            await change(lab, "makes-an-event")
            while "makes-an-event" not in (await s.until("event"))["item"]["message"]:
                pass

    asyncio.run(run())


@pytest.mark.parametrize(
    "text,code",
    [
        ("{", "invalid"),
        ("[]", "invalid"),
        ('{"type":"dance"}', "invalid"),
        ('{"type":"sub","id":1,"kind":"secrets"}', "invalid"),
        ('{"type":"sub","id":-1,"kind":"tasks"}', "invalid"),
        ('{"type":"sub","id":1,"kind":"tasks","extra":1}', "invalid"),
        ('{"type":"unsub","id":77}', "not_found"),
    ],
)
def test_bad_messages_are_answered(lab: Lab, text: str, code: str) -> None:
    async def run() -> None:
        async with watching(lab, lab.api().token) as s:
            await s.get()
            await s.ws.send(text)
            answer = await s.until("error")
            assert answer["code"] == code and answer["message"]

    asyncio.run(run())


def test_nobody_sees_nothing(lab: Lab) -> None:
    async def run() -> None:
        with pytest.raises((websockets.InvalidStatusCode, websockets.InvalidHandshake, ConnectionError, EOFError)):
            async with watching(lab, ""):
                pass
        async with watching(lab, "0" * 64) as s:
            with pytest.raises(websockets.ConnectionClosed) as caught:
                await s.get()
            assert caught.value.code == 4401

    asyncio.run(run())


def test_pages_of_other_sites_are_refused(lab: Lab) -> None:
    async def run() -> None:
        with pytest.raises((websockets.InvalidHandshake, ConnectionError, EOFError)):
            async with watching(lab, lab.api().token, origin="https://evil.example"):
                pass

    asyncio.run(run())


def test_one_who_asks_without_reading_piles_nothing_up(lab: Lab) -> None:
    """Snapshots are asked for without being read: few are made, and the watch goes on after them."""

    async def run() -> None:
        async with watching(lab, lab.api().token, max_queue=1) as s:
            await s.get()
            for i in range(2000):
                await s.send(type="sub", id=1, kind="inventory")
            other = lab.api()
            await asyncio.to_thread(other.get, "/system")  # the server still serves the others
            folder = await change(lab, "after-all-that")
            snaps = 0
            while True:
                frame = await s.get()
                snaps += frame["type"] == "snap"
                if frame["type"] == "delta" and folder["id"] in frame["set"]:
                    break
                if frame["type"] == "snap" and any(o["id"] == folder["id"] for o in frame["items"]):
                    break
            assert snaps < 2000

    asyncio.run(run())
