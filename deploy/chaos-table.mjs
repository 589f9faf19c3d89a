// Prints what the reports of the chaos rows say, one line each.
// usage: node chaos-table.mjs REPORTS ROWS.txt [--markdown]
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [folder, rowsFile, flag] = process.argv.slice(2);
const rows = readFileSync(rowsFile, "utf8").split("\n").filter((l) => l && !l.startsWith("#")).map((l) => l.split(/\s+/)[0]);
const files = existsSync(folder) ? readdirSync(folder).filter((f) => f.endsWith(".json")) : [];
// A seed has 64 bits, more than a number here can hold.
const parse = (text) => JSON.parse(text.replace(/"seed": (\d+)/, '"seed": "$1"'));
const reports = files.map((f) => parse(readFileSync(join(folder, f), "utf8")));

const round = (x) => (Math.abs(x) >= 100 ? Math.round(x) : Math.round(x * 10) / 10).toLocaleString("en");
const spread = ([name, s]) => {
  const [, what, unit = ""] = /^(.*?)(?:_(ms|s|mb|bytes))?$/.exec(name);
  return `${what} p50 ${round(s.p50)} p99 ${round(s.p99)} max ${round(s.max)} ${unit}`.trim();
};
const figures = (r) =>
  [
    ...(r.violations ? [`${r.violations} VIOLATIONS`] : []),
    ...(r.why ? [r.why] : []),
    ...Object.entries(r.counts ?? {}).map(([k, v]) => `${k} ${v.toLocaleString("en")}`),
    ...Object.entries(r.percentiles ?? {}).map(spread),
  ].join(", ");
const load = (r) => (r.load ? `${round(r.load.reached)}/${round(r.load.asked)}/s` : "-");
const line = (r) => [r.row, r.verdict, r.cases ? `${r.mode}, only ${r.cases} cases` : r.mode, load(r), figures(r), r.seed, r.commit || "-", r.began.slice(0, 16).replace("T", " ")];

// The full run of a row comes first: it is the one that counts.
const of = (row) => reports.filter((r) => r.row === row).sort((a, b) => a.mode.localeCompare(b.mode));
const table = [...new Set([...rows, ...reports.map((r) => r.row)])].flatMap((row) => {
  const told = of(row).map(line);
  return told.length > 0 ? told : [[row, "not run", "-", "-", "-", "-", "-", "-"]];
});
const head = ["row", "verdict", "mode", "load", "figures", "seed", "commit", "when (UTC)"];

if (flag === "--markdown") {
  const md = (cells) => `|${cells.join("|")}|`;
  console.log([head, head.map(() => "---"), ...table].map(md).join("\n"));
} else {
  // What is long stands on a line of its own.
  const short = [head, ...table].map((c) => [...c.slice(0, 4), ...c.slice(5)]);
  const width = short[0].map((_, i) => Math.max(...short.map((c) => c[i].length)));
  short.forEach((c, i) => {
    console.log(c.map((x, k) => x.padEnd(width[k])).join("  ").trimEnd());
    if (i > 0 && table[i - 1][4] !== "-") console.log(`    ${table[i - 1][4]}`);
  });
}
