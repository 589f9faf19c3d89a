// The independent checker of the chaos rows. It shares no code with the
// product or the harness and believes only three journals:
//
//   told.ndjson   what devices sent, and for what they got a PUBACK
//   held.ndjson   what the cloud answers when it is asked afterwards
//   paged.ndjson  what the mock pager saw
//
// usage: node check.mjs FOLDER. It prints one JSON object; exit status 1 means
// that a promise was broken, 2 that the journals cannot be read.
//
// Memory grows with the samples told, not with the lines read.
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// kept bounds how many of each violation are told in words.
const kept = 20;
const sent = 0;
const acked = 1;

async function* lines(path) {
  if (!existsSync(path)) return;
  let n = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    n++;
    if (line === "") continue;
    try {
      yield JSON.parse(line);
    } catch (e) {
      throw new Error(`${path}:${n}: ${e.message}`);
    }
  }
}

// place is the map under a key, made when it is missing.
const place = (map, key, make = () => new Map()) => {
  let v = map.get(key);
  if (v === undefined) map.set(key, (v = make()));
  return v;
};

// Found counts a kind of violation and keeps the first of them.
class Found {
  count = 0;
  list = [];
  add(what) {
    this.count++;
    if (this.list.length < kept) this.list.push(what);
  }
}

// own are metrics that the gateway itself says of a device.
const own = new Set(["online"]);

const seriesKey = (o) => `${o.estate}/${o.device}/${o.metric}`;
const conditionKey = (o) => `${o.estate}/${o.device}/${o.fault}`;

// readTold returns samples (series -> ts -> {value, state, rows}) and alarms
// (condition -> ts -> alarm). A message is told once more with each attempt;
// one acknowledgement is enough, the first attempt gives the time.
async function readTold(path) {
  const samples = new Map();
  const alarms = new Map();
  for await (const o of lines(path)) {
    const state = o.ack ? acked : sent;
    if (o.event !== undefined) {
      const a = place(place(alarms, conditionKey(o)), o.ts, () => ({ ...o, state, tickets: [] }));
      a.state = Math.max(a.state, state);
      a.at = Math.min(a.at, o.at);
      continue;
    }
    const s = place(place(samples, seriesKey(o)), o.ts, () => ({ value: o.value, state, rows: 0 }));
    s.state = Math.max(s.state, state);
  }
  return { samples, alarms };
}

// episodeOf is the alarm that a ticket is about: the last one of its condition
// that began at or before the ticket's time, within a clock's tolerance.
function episodeOf(alarms, ticket, slack) {
  const told = alarms.get(conditionKey(ticket));
  if (told === undefined) return undefined;
  let best;
  for (const a of told.values()) {
    if (a.ts <= ticket.raised_at + slack && (best === undefined || a.ts > best.ts)) best = a;
  }
  return best;
}

// readHeld judges what the cloud holds while it reads.
async function readHeld(path, told, out, slack) {
  const tickets = new Map();
  const deliveries = new Map();
  for await (const o of lines(path)) {
    if (o.delivery !== undefined) holdDelivery(o, deliveries, out);
    else if (o.ticket !== undefined) holdTicket(o, told.alarms, tickets, out, slack);
    else holdSample(o, told.samples, out);
  }
  return { tickets, deliveries };
}

function holdSample(o, samples, out) {
  const series = samples.get(seriesKey(o));
  const s = series?.get(o.ts);
  if (s === undefined && own.has(o.metric)) return;
  if (s === undefined) {
    out.invented.add(`${seriesKey(o)} at ${o.ts}: ${o.value} was never sent`);
    return;
  }
  s.rows++;
  out.rows++;
  if (s.rows > 1) out.duplicate_rows.add(`${seriesKey(o)} at ${o.ts} is held ${s.rows} times`);
  if (s.value !== o.value) out.wrong.add(`${seriesKey(o)} at ${o.ts}: held ${o.value}, sent ${s.value}`);
}

function holdTicket(o, alarms, tickets, out, slack) {
  if (tickets.has(o.ticket)) {
    out.duplicate_tickets.add(`${o.ticket} is listed twice`);
    return;
  }
  tickets.set(o.ticket, o);
  out.tickets++;
  for (const alias of o.aliases ?? []) tickets.set(alias, o);
  const a = episodeOf(alarms, o, slack);
  if (a !== undefined) a.tickets.push(o.ticket);
  else if (alarms.has(conditionKey(o))) out.invented_tickets.add(`${o.ticket} of ${conditionKey(o)} at ${o.raised_at} began before any alarm`);
  else out.other_tickets++;
}

const pageKey = (p, d) => `${d?.ticket ?? p.ticket} track ${d?.track ?? ""} step ${p.step} round ${d?.round ?? 0} to ${p.to} by ${p.channel}`;

function holdDelivery(o, deliveries, out) {
  out.deliveries++;
  if (deliveries.has(o.delivery)) out.duplicate_deliveries.add(`${o.delivery} is listed twice`);
  deliveries.set(o.delivery, o);
}

// judgeDeliveries finds one message that was planned twice.
function judgeDeliveries(deliveries, out) {
  const seen = new Map();
  for (const d of deliveries.values()) {
    const key = pageKey({ ...d, to: d.staff }, d);
    const first = seen.get(key);
    if (first !== undefined) out.duplicate_deliveries.add(`${key}: ${first} and ${d.delivery}`);
    else seen.set(key, d.delivery);
  }
}

// readPaged returns when each ticket was first paged. The provider honours
// idempotency keys: a repeated key is no second page, but a second key for the
// same person, step and channel is.
async function readPaged(path, held, out) {
  const first = new Map();
  const heard = new Map(); // key -> verdict of the first hearing
  const pages = new Map(); // page -> key
  for await (const o of lines(path)) {
    out.requests++;
    if (o.verdict === "refused") continue;
    if (o.verdict === "accepted_then_timeout") out.possible_duplicates++;
    if (heard.has(o.key)) {
      out.repeats++;
      continue;
    }
    heard.set(o.key, o.verdict);
    out.pages++;
    const d = held.deliveries.get(o.key);
    if (d === undefined) out.unknown_pages.add(`${o.key} to ${o.to} for ${o.ticket}: the cloud knows no such delivery`);
    else if (d.staff !== o.to || d.step !== o.step) out.unknown_pages.add(`${o.key} went to ${o.to} step ${o.step}, planned for ${d.staff} step ${d.step}`);
    const page = pageKey(o, d);
    const before = pages.get(page);
    if (before !== undefined) out.duplicate_pages.add(`${page}: ${before} and ${o.key}`);
    else pages.set(page, o.key);
    const ticket = held.tickets.get(o.ticket)?.ticket ?? o.ticket;
    if (!first.has(ticket)) first.set(ticket, o.at);
  }
  return first;
}

function judgeSamples(samples, out) {
  for (const [series, values] of samples) {
    for (const [ts, s] of values) {
      out.told++;
      if (s.state !== acked) continue;
      out.acked++;
      if (s.rows === 0) out.lost.add(`${series} at ${ts}: ${s.value} was acknowledged and is not held`);
    }
  }
}

function judgeAlarms(alarms, first, out) {
  const latency = [];
  for (const [condition, episodes] of alarms) {
    for (const a of episodes.values()) {
      out.alarms++;
      const what = `${condition} at ${a.ts}`;
      if (a.tickets.length > 1) out.duplicate_tickets.add(`${what}: ${a.tickets.join(", ")}`);
      if (a.tickets.length === 0) {
        if (a.state === acked) out.missing_tickets.add(`${what} was acknowledged and has no ticket`);
        continue;
      }
      const paged = Math.min(...a.tickets.map((t) => first.get(t) ?? Number.POSITIVE_INFINITY));
      if (paged === Number.POSITIVE_INFINITY) {
        if (a.state === acked) out.unpaged.add(`${what}: nobody was paged for ${a.tickets.join(", ")}`);
        continue;
      }
      latency.push(paged - a.at);
    }
  }
  return latency;
}

// judge reads the journals of a folder. slack is how far, in ms, a ticket's
// time may lie before its alarm's.
export async function judge(folder, slack = 0) {
  const kinds = ["lost", "invented", "wrong", "duplicate_rows", "missing_tickets", "duplicate_tickets", "invented_tickets", "duplicate_deliveries", "duplicate_pages", "unknown_pages", "unpaged"];
  const out = { told: 0, acked: 0, rows: 0, alarms: 0, tickets: 0, other_tickets: 0, deliveries: 0, requests: 0, pages: 0, repeats: 0, possible_duplicates: 0 };
  for (const kind of kinds) out[kind] = new Found();
  const told = await readTold(join(folder, "told.ndjson"));
  const held = await readHeld(join(folder, "held.ndjson"), told, out, slack);
  judgeDeliveries(held.deliveries, out);
  const first = await readPaged(join(folder, "paged.ndjson"), held, out);
  judgeSamples(told.samples, out);
  const latency = judgeAlarms(told.alarms, first, out);
  return answer(out, kinds, latency);
}

function answer(out, kinds, latency) {
  const counts = {};
  let violations = 0;
  for (const kind of kinds) {
    counts[kind] = out[kind].count;
    violations += out[kind].count;
    out[kind] = out[kind].list;
  }
  latency.sort((a, b) => a - b);
  const at = (q) => latency[Math.min(latency.length - 1, Math.floor(q * latency.length))] ?? 0;
  const latency_ms = { n: latency.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: latency.at(-1) ?? 0, all: latency };
  return { ...out, counts, violations, latency_ms };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    const [folder, slack] = process.argv.slice(2);
    if (folder === undefined) throw new Error("usage: node check.mjs FOLDER [SLACK_MS]");
    const verdict = await judge(folder, Number(slack ?? 0));
    process.stdout.write(`${JSON.stringify(verdict)}\n`);
    process.exitCode = verdict.violations > 0 ? 1 : 0;
  } catch (e) {
    process.stderr.write(`${e.message}\n`);
    process.exitCode = 2;
  }
}
