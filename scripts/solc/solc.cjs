#!/usr/bin/env node
// A stand-in for the native Solidity compiler, on top of npm's `solc` (the same compiler as WebAssembly).
//
// Answers the two calls that py-solc-x and crytic-compile make:
//   solc --version
//   solc --standard-json [--allow-paths ...] [--base-path DIR]     input on stdin, output on stdout
// Imports that the input does not carry are read from the base path (default: the working directory), exactly as
// the native compiler does. Other flags are refused rather than guessed at.
//
// Outputs are kept in SOLC_CACHE (a folder; unset means no cache), keyed by the input and valid only while every
// imported file still hashes the same.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const { compile, failed, readImport } = require('./compile.cjs');
const pin = require('./pin.json');

const KEPT = 48;

const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex');

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function parse(argv) {
  const options = { basePath: process.cwd(), standardJson: false, version: false };
  const rest = [...argv];
  while (rest.length > 0) {
    const flag = rest.shift();
    if (flag === '--version') options.version = true;
    else if (flag === '--standard-json') options.standardJson = true;
    else if (flag === '--base-path') options.basePath = path.resolve(rest.shift());
    else if (flag === '--allow-paths') rest.shift();
    else if (flag !== '-') fail(`unrecognised option '${flag}': this stand-in knows --version and --standard-json`);
  }
  return options;
}

function cached(folder, key, basePath) {
  if (!folder) return null;
  const file = path.join(folder, `${key}.json`);
  try {
    const { imports, output } = JSON.parse(fs.readFileSync(file, 'utf8'));
    for (const [name, digest] of Object.entries(imports)) {
      const text = readImport(basePath, name);
      if (text === null || sha256(text) !== digest) return null;
    }
    fs.utimesSync(file, new Date(), new Date());
    return output;
  } catch {
    return null; // absent, or unreadable: compile again
  }
}

function keep(folder, key, imports, output) {
  if (!folder) return;
  fs.mkdirSync(folder, { recursive: true });
  const temporary = path.join(folder, `${key}.${process.pid}.tmp`);
  const digests = Object.fromEntries([...imports].map(([name, text]) => [name, sha256(text)]));
  fs.writeFileSync(temporary, JSON.stringify({ imports: digests, output }));
  fs.renameSync(temporary, path.join(folder, `${key}.json`));
  const newestFirst = fs
    .readdirSync(folder)
    .map((name) => path.join(folder, name))
    .map((file) => ({ file, time: fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.time - a.time);
  for (const { file } of newestFirst.slice(KEPT)) fs.rmSync(file, { force: true });
}

async function main() {
  const options = parse(process.argv.slice(2));
  if (options.version) {
    console.log(`solc, the solidity compiler commandline interface`);
    console.log(`Version: ${pin.version}+commit.${pin.commit}.Emscripten.clang`);
    return;
  }
  if (!options.standardJson) fail('nothing to do: pass --standard-json and the input on stdin');
  const text = fs.readFileSync(0, 'utf8');
  const folder = process.env.SOLC_CACHE;
  const key = sha256(`${pin.version}+${pin.commit}\n${text}`);
  let output = cached(folder, key, options.basePath);
  if (output === null) {
    const compiled = await compile(JSON.parse(text), options.basePath);
    output = compiled.output;
    if (!failed(output)) keep(folder, key, compiled.imports, output);
  }
  process.stdout.write(JSON.stringify(output));
}

main().catch((error) => fail(`${error.stack ?? error}`));
