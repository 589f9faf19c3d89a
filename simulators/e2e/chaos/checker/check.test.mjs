// Hand-made journals: one that keeps every promise, and for each promise one
// that breaks it. usage: node --test
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { judge } from "./check.mjs";

const where = { estate: "e", device: "d" };
const sample = (ts, value, ack = true) => ({ at: ts, ...where, metric: "m", ts, value, ack });
const row = (ts, value) => ({ ...where, metric: "m", ts, value });
const alarm = (ts, ack = true) => ({ at: ts + 0.5, ...where, event: "door_forced_open", fault: "door_forced", ts, ack });
const ticket = (id, raised_at, more = {}) => ({ ticket: id, ...where, fault: "door_forced", raised_at, occurrences: 1, aliases: [], ...more });
const delivery = (id, of, more = {}) => ({ delivery: id, ticket: of, track: "", step: 0, round: 0, staff: "li", channel: "webhook", state: "accepted", ...more });
const page = (at, key, of, more = {}) => ({ at, key, ticket: of, ...where, fault: "door_forced", step: 0, to: "li", channel: "webhook", verdict: "accepted", ...more });

const clean = () => ({
  told: [sample(1, 10), sample(2, 20), sample(2, 20, false), sample(3, 30, false), alarm(100, false), alarm(100), alarm(200)],
  held: [row(1, 10), row(2, 20), row(3, 30), { ...row(7, 1), metric: "online" }, ticket("t1", 100), delivery("k1", "t1"), ticket("t2", 200), delivery("k2", "t2")],
  paged: [page(150, "k1", "t1"), page(260, "k2", "t2"), page(270, "k2", "t2")],
});

function write(journals) {
  const folder = mkdtempSync(join(tmpdir(), "check-"));
  for (const [name, lines] of Object.entries(journals)) {
    writeFileSync(join(folder, `${name}.ndjson`), lines.map((l) => `${JSON.stringify(l)}\n`).join(""));
  }
  return folder;
}

async function verdictOf(journals) {
  const folder = write(journals);
  try {
    return await judge(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a run that keeps every promise", async () => {
  const v = await verdictOf(clean());
  assert.equal(v.violations, 0, JSON.stringify(v));
  assert.deepEqual([v.told, v.acked, v.rows, v.alarms, v.tickets, v.pages, v.repeats], [3, 2, 3, 2, 2, 2, 1]);
  assert.deepEqual(v.latency_ms.all, [49.5, 59.5]);
});

test("what is unknown may be held or not", async () => {
  const j = clean();
  j.told.push(sample(4, 40, false), alarm(300, false));
  assert.equal((await verdictOf(j)).violations, 0);
});

test("a merged ticket is paged under its alias", async () => {
  const j = clean();
  j.held[4].aliases = ["t0"];
  j.paged[0].ticket = "t0";
  assert.equal((await verdictOf(j)).violations, 0);
});

test("steps, rounds, tracks, people and channels are pages of their own", async () => {
  const j = clean();
  for (const [i, more] of [{ step: 1 }, { round: 1 }, { track: "desk" }, { staff: "zhao" }, { channel: "sms" }].entries()) {
    j.held.push(delivery(`x${i}`, "t1", more));
    j.paged.push(page(300, `x${i}`, "t1", { step: more.step ?? 0, to: more.staff ?? "li", channel: more.channel ?? "webhook" }));
  }
  assert.equal((await verdictOf(j)).violations, 0);
});

test("a possible duplicate is counted", async () => {
  const j = clean();
  j.paged.unshift(page(120, "k1", "t1", { verdict: "accepted_then_timeout" }), page(110, "k1", "t1", { verdict: "refused" }));
  const v = await verdictOf(j);
  assert.deepEqual([v.violations, v.possible_duplicates, v.repeats, v.requests], [0, 1, 2, 5]);
  assert.deepEqual(v.latency_ms.all, [19.5, 59.5]);
});

// Each of these changes the clean journals so that exactly one promise breaks.
const broken = {
  lost: (j) => j.held.shift(),
  invented: (j) => j.held.push(row(9, 90)),
  wrong: (j) => (j.held[0].value = 11),
  duplicate_rows: (j) => j.held.push(row(1, 10)),
  missing_tickets: (j) => j.told.push({ ...alarm(300), device: "other" }),
  duplicate_tickets: (j) => j.held.push(ticket("t3", 150)),
  invented_tickets: (j) => j.held.push(ticket("t3", 50)),
  duplicate_deliveries: (j) => j.held.push(delivery("k3", "t1")),
  duplicate_pages: (j) => {
    // Two keys for what is one page at the provider: the second was planned
    // for somebody else's channel and sent to this one.
    j.held.push(delivery("k3", "t1", { channel: "sms" }));
    j.paged.push(page(300, "k3", "t1"));
  },
  unknown_pages: (j) => j.paged.push(page(300, "k9", "t1", { to: "nobody" })),
  unpaged: (j) => j.paged.splice(1),
};

for (const [kind, breakIt] of Object.entries(broken)) {
  test(`${kind} is found, and nothing else`, async () => {
    const j = clean();
    breakIt(j);
    const v = await verdictOf(j);
    assert.equal(v[kind].length, 1, JSON.stringify(v));
    assert.equal(v.violations, 1, JSON.stringify(v));
  });
}

test("every kind of violation has a journal here", async () => {
  assert.deepEqual(Object.keys((await verdictOf(clean())).counts).sort(), Object.keys(broken).sort());
});

test("a null where a value was sent is a wrong value", async () => {
  const j = clean();
  j.held[0].value = null;
  assert.equal((await verdictOf(j)).counts.wrong, 1);
});

test("a page that was refused is none", async () => {
  const j = clean();
  j.paged[0].verdict = "refused";
  assert.equal((await verdictOf(j)).counts.unpaged, 1);
});

test("words are bounded, counts are not", async () => {
  const j = clean();
  for (let i = 0; i < 50; i++) j.told.push(sample(1000 + i, i));
  const v = await verdictOf(j);
  assert.deepEqual([v.lost.length, v.counts.lost], [20, 50]);
});

test("the program's exit status", () => {
  const check = fileURLToPath(new URL("check.mjs", import.meta.url));
  const run = (...args) => spawnSync(process.execPath, [check, ...args], { encoding: "utf8" });
  const bad = clean();
  bad.held = [];
  const torn = write(clean());
  writeFileSync(join(torn, "told.ndjson"), '{"at":1,');
  for (const [folder, status] of [[write(clean()), 0], [write(bad), 1], [torn, 2]]) {
    const r = run(folder);
    assert.equal(r.status, status, r.stderr);
    rmSync(folder, { recursive: true });
  }
  assert.equal(run().status, 2);
});
