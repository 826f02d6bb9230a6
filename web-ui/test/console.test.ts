import assert from "node:assert/strict";
import { test } from "node:test";
import { GuestSocket, type Wire } from "../src/console/socket.ts";

function open() {
  const sent: (string | Uint8Array)[] = [];
  const heard: string[] = [];
  const wire: Wire = {
    binaryType: "",
    send: (d) => void sent.push(typeof d === "string" ? d : new Uint8Array(d.buffer, d.byteOffset, d.byteLength)),
    close: () => void heard.push("closed"),
    onopen: null,
    onmessage: null,
    onclose: null,
  };
  const socket = new GuestSocket(
    wire,
    { what: "serial" },
    {
      started: () => void heard.push("started"),
      data: (b) => void heard.push(new TextDecoder().decode(b)),
      ended: (why) => void heard.push(`ended:${why}`),
    },
  );
  const say = (m: object) => wire.onmessage?.({ data: JSON.stringify(m) });
  return { sent, heard, wire, socket, say };
}

const text = (s: string) => new TextEncoder().encode(s);

test("it begins by saying what is wanted", () => {
  const { wire, sent } = open();
  wire.onopen?.();
  assert.deepEqual(sent, ['{"type":"start","what":"serial"}']);
});

test("what is typed waits for credit, and keeps its order", () => {
  const { socket, sent, say } = open();
  socket.send(text("abc"));
  socket.send(text("de"));
  assert.equal(sent.length, 0);
  say({ type: "credit", bytes: 4 });
  assert.deepEqual(sent, [Uint8Array.of(0, 97, 98, 99), Uint8Array.of(0, 100)]);
  say({ type: "credit", bytes: 10 });
  assert.deepEqual(sent[2], Uint8Array.of(0, 101));
});

test("the guest's words come without the number of their stream", () => {
  const { wire, heard } = open();
  wire.onmessage?.({ data: Uint8Array.of(1, 104, 105).buffer });
  assert.deepEqual(heard, ["hi"]);
});

test("its end is told once, with the reason", () => {
  const one = open();
  one.say({ type: "end", error: { code: "bad_state", message: "it is off" } });
  one.wire.onclose?.({ reason: "" });
  assert.deepEqual(one.heard, ["ended:it is off"]);
  const two = open();
  two.wire.onclose?.({ reason: "" });
  assert.deepEqual(two.heard, ["ended:the connection was lost"]);
  const three = open();
  three.say({ type: "end", exit_code: 0, signal: 0 });
  three.socket.send(text("late"));
  assert.deepEqual([three.heard, three.sent], [["ended:"], []]);
});
