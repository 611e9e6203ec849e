// npm's mqtt, told by JSON lines what to do: every order of a guest gets one answer, messages come between.
"use strict";

const fs = require("fs");
const readline = require("readline");
const mqtt = require("mqtt");

const clients = {};

function say(who, what) {
  process.stdout.write(JSON.stringify({ who, ...what }) + "\n");
}

function open(order) {
  const who = order.who;
  const client = mqtt.connect(order.url, {
    protocolVersion: order.version,
    clientId: who,
    username: order.user,
    password: order.secret,
    clean: !order.keeps,
    properties: order.version === 5 && order.keeps ? { sessionExpiryInterval: 600 } : undefined,
    will: order.will ? { topic: order.will[0], payload: order.will[1], qos: 1 } : undefined,
    ca: order.url.startsWith("mqtts") ? fs.readFileSync(order.ca) : undefined,
    reconnectPeriod: 0,
  });
  let answered = false;
  const answer = (what) => {
    if (!answered) say(who, what);
    answered = true;
  };
  client.on("connect", () => answer({ ok: true }));
  client.on("error", (error) => answer({ error: String(error.message) }));
  client.on("close", () => answer({ error: "closed" }));
  client.on("message", (topic, payload, packet) =>
    say(who, { topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain }));
  clients[who] = client;
}

function obey(order) {
  const client = clients[order.who];
  const done = (error) => say(order.who, error ? { error: String(error.message) } : { ok: true });
  switch (order.do) {
    case "open": return open(order);
    case "subscribe": return client.subscribe(order.name, { qos: order.qos }, done);
    case "publish": return client.publish(order.topic, order.payload, { qos: order.qos, retain: order.retain }, done);
    case "tear": client.stream.destroy(); return done();
    default: return client.end(false, {}, done);
  }
}

readline.createInterface({ input: process.stdin })
  .on("line", (line) => obey(JSON.parse(line)))
  .on("close", () => process.exit(0));
