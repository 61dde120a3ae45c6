// Makes the golden vectors: a third implementation of docs/rules.md, beside Solidity and Python.
//
//   node scripts/vectors/make_vectors.mjs            write tests/vectors/*.json
//   node scripts/vectors/make_vectors.mjs --check    exit 1 if the committed files differ
//
// Every file is a flat list of { name, input, expected }. Integers above 2^53 - 1 are decimal
// strings. hand_worked.json is not made here: people worked it out.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { cids, credits, rows, splits, terms } from "./books.mjs";
import { plain } from "./common.mjs";
import { signatures, typedData } from "./messages.mjs";
import { entitlements, metered, pool, quorum, rulings } from "./money.mjs";
import { timelines } from "./timelines.mjs";

const FOLDER = new URL("../../tests/vectors/", import.meta.url);

const FILES = {
  "typed_data.json": typedData,
  "signatures.json": signatures,
  "terms.json": terms,
  "splits.json": splits,
  "rows.json": rows,
  "credits.json": credits,
  "cids.json": cids,
  "metered.json": metered,
  "pool.json": pool,
  "entitlements.json": entitlements,
  "quorum.json": quorum,
  "rulings.json": rulings,
  "timelines.json": timelines,
};

const checking = process.argv.includes("--check");
await mkdir(FOLDER, { recursive: true });
let different = 0;
for (const [file, make] of Object.entries(FILES)) {
  const lines = plain(await make()).map((vector) => `  ${JSON.stringify(vector)}`);
  const text = `[\n${lines.join(",\n")}\n]\n`;
  const url = new URL(file, FOLDER);
  if (!checking) {
    await writeFile(url, text);
    console.log(`${fileURLToPath(url)}: ${lines.length} vectors`);
  } else if (text !== (await readFile(url, "utf8").catch(() => ""))) {
    different += 1;
    console.error(`${fileURLToPath(url)} differs: run make_vectors.mjs and look at the difference`);
  }
}
process.exitCode = different ? 1 : 0;
