#!/usr/bin/python3
"""From a change asked for to its delta at each of many watches."""
import asyncio
import json
import ssl
import time

import websockets

from lab_client import Api, arguments, connect, percentile, report


async def follow(api: Api, context: ssl.SSLContext, seen: "dict[str, list[float]]", ready: asyncio.Event) -> None:
    url = f"wss://{api.address}:{api.port}/api/v1/watch"
    headers = {"Authorization": "Bearer " + api.token}
    async with websockets.connect(
        url, ssl=context, subprotocols=["drover.v1"], extra_headers=headers, max_size=None
    ) as ws:
        await ws.send(json.dumps({"type": "sub", "id": 1, "kind": "inventory"}))
        async for text in ws:
            now = time.perf_counter()
            frame = json.loads(text)
            if frame["type"] == "snap" and frame["last"]:
                ready.set()
            if frame["type"] != "delta":
                continue
            for patch in frame["set"].values():
                if str(patch.get("notes", "")).startswith("bench-"):
                    seen.setdefault(patch["notes"], []).append(now)


async def run(api: Api, clients: int, changes: int) -> None:
    context = ssl.create_default_context(cafile=api.ca)
    vm = (await asyncio.to_thread(api.get, "/vms?limit=1"))["items"][0]
    seen: dict[str, list[float]] = {}
    ready = [asyncio.Event() for _ in range(clients)]
    tasks = [asyncio.create_task(follow(api, context, seen, r)) for r in ready]
    await asyncio.gather(*(r.wait() for r in ready))
    asked: list[float] = []
    committed: list[float] = []
    for i in range(changes):
        word = f"bench-{i}"
        begin = time.perf_counter()
        await asyncio.to_thread(api.call, "PATCH", f"/vms/{vm['id']}", {"notes": word})
        answered = time.perf_counter()
        end = begin + 10
        while len(seen.get(word, [])) < clients and time.perf_counter() < end:
            await asyncio.sleep(0.005)
        if len(seen.get(word, [])) < clients:
            raise SystemExit(f"change {i} reached {len(seen.get(word, []))} of {clients} watches in 10 s")
        asked += [t - begin for t in seen[word]]
        committed += [max(0.0, t - answered) for t in seen[word]]
    await asyncio.to_thread(api.call, "PATCH", f"/vms/{vm['id']}", {"notes": vm["notes"] or ""})
    for t in tasks:
        t.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    report("watch_from_request_p50", percentile(asked, 50) * 1000, "ms")
    report("watch_from_request_p99", percentile(asked, 99) * 1000, "ms")
    report("watch_from_answer_p99", percentile(committed, 99) * 1000, "ms")


def main() -> None:
    p = arguments(__doc__)
    p.add_argument("--clients", type=int, default=100)
    p.add_argument("--changes", type=int, default=40)
    a = p.parse_args()
    asyncio.run(run(connect(a.lab), a.clients, a.changes))


main()
