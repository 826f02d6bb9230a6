"""Sockets into guests, as docs/api.md has them under Enter."""
import asyncio
import json
import ssl
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator

import websockets

DEADLINE = 30


@asynccontextmanager
async def entering(lab: Any, guest: str, token: str = "") -> AsyncIterator[Any]:
    """As a program, with a bearer's token."""
    async with opened(lab, guest, {"Authorization": "Bearer " + (token or lab.api().token)}) as ws:
        yield ws


@asynccontextmanager
async def opened(lab: Any, guest: str, headers: dict[str, str], query: str = "") -> AsyncIterator[Any]:
    async with websockets.connect(
        f"wss://127.0.0.1:{lab.port}/api/v1/vms/{guest}/enter{query}",
        ssl=ssl.create_default_context(cafile=str(lab.dir / "ca/ca.pem")),
        subprotocols=["drover.session.v1"],
        extra_headers=headers,
    ) as ws:
        yield ws


async def until(ws: Any, kind: str, heard: bytearray) -> dict[str, Any]:
    """The next text message of a kind; what the guest says meanwhile goes to heard."""
    while True:
        frame = await asyncio.wait_for(ws.recv(), DEADLINE)
        if isinstance(frame, bytes):
            heard += frame[1:]
            continue
        message: dict[str, Any] = json.loads(frame)
        if message["type"] == kind:
            return message
        assert message["type"] in ("ping", "started", "credit"), message


async def hear(ws: Any, heard: bytearray, n: int) -> bytes:
    """The next n bytes of what the guest says."""
    while len(heard) < n:
        frame = await asyncio.wait_for(ws.recv(), DEADLINE)
        if isinstance(frame, bytes):
            heard += frame[1:]
        else:
            assert json.loads(frame)["type"] in ("ping", "started", "credit"), frame
    said = bytes(heard[:n])
    del heard[:n]
    return said
