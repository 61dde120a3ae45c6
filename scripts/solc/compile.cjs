// Standard JSON in, standard JSON out, through npm's `solc`, on as many cores as there are.
//
// Generating code is nearly all of the time, and each contract's code depends on nothing but the sources. So a first
// pass without code finds the contracts, then workers generate code for their share of them, over the same sources
// (so that source numbers and node ids agree), and the outputs are put together. The result is the one compiler run's.
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

const pin = require('./pin.json');

/** The text of an import as the native compiler would find it from `basePath`; null if there is none. */
function readImport(basePath, name) {
  const file = path.resolve(basePath, name.replace(/^file:\/\//, ''));
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : null;
}

/** One compiler run; `imports` collects the text of what was read from disk. */
function runOnce(input, basePath, imports = new Map()) {
  const solc = require('solc');
  if (!solc.version().startsWith(`${pin.version}+commit.${pin.commit}.`)) {
    throw new Error(`npm solc is ${solc.version()}, but pin.json asks for ${pin.version}+commit.${pin.commit}`);
  }
  const answer = (name) => {
    const contents = readImport(basePath, name);
    if (contents === null) return { error: `File not found: ${name} (looked in ${basePath})` };
    imports.set(name, contents);
    return { contents };
  };
  return JSON.parse(solc.compile(JSON.stringify(input), { import: answer }));
}

const isCode = (output) => /^(evm|ir|\*)/.test(output);

/** What is asked of every contract of every file, if that is all that is asked; otherwise null. */
function uniformOutputs(input) {
  const selection = input.settings?.outputSelection ?? {};
  const files = Object.keys(selection);
  if (files.length !== 1 || files[0] !== '*') return null;
  const { '*': ofContracts = [], '': ofFiles = [], ...named } = selection['*'];
  return Object.keys(named).length === 0 ? { ofContracts, ofFiles } : null;
}

const withSelection = (input, outputSelection) => ({ ...input, settings: { ...input.settings, outputSelection } });

/** Every contract with an estimate of its work: the length of its own text and of what it inherits. */
function contractsByWork(output) {
  const length = new Map();
  const found = [];
  for (const [file, { ast }] of Object.entries(output.sources ?? {})) {
    for (const node of ast?.nodes ?? []) {
      if (node.nodeType !== 'ContractDefinition') continue;
      length.set(node.id, Number(node.src.split(':')[1]));
      found.push({ file, node });
    }
  }
  const work = (node) =>
    node.abstract || node.contractKind === 'interface'
      ? 0
      : node.linearizedBaseContracts.reduce((sum, id) => sum + (length.get(id) ?? 0), 0);
  return found.map(({ file, node }) => ({ file, name: node.name, work: work(node) })).sort((a, b) => b.work - a.work);
}

/** Longest first, each to the least loaded. */
function share(contracts, count) {
  const shares = Array.from({ length: count }, () => ({ load: 0, contracts: [] }));
  for (const contract of contracts) {
    const least = shares.reduce((a, b) => (b.load < a.load ? b : a));
    least.load += contract.work;
    least.contracts.push(contract);
  }
  return shares.map((one) => one.contracts);
}

function inWorker(input, basePath) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: { input, basePath } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

const failed = (output) => (output.errors ?? []).some((error) => error.severity === 'error');

/** Compile; returns the output and the imports that were read (name to text). */
async function compile(input, basePath) {
  const imports = new Map();
  const outputs = uniformOutputs(input);
  const cores = Math.min(os.availableParallelism(), 4);
  if (outputs === null || cores < 2 || !outputs.ofContracts.some(isCode)) {
    return { output: runOnce(input, basePath, imports), imports };
  }

  const faces = outputs.ofContracts.filter((name) => !isCode(name));
  const ofFiles = [...new Set(['ast', ...outputs.ofFiles])];
  const face = runOnce(withSelection(input, { '*': { '*': ['abi', ...faces], '': ofFiles } }), basePath, imports);
  if (failed(face)) return { output: face, imports };

  const codes = outputs.ofContracts.filter(isCode);
  const parts = await Promise.all(
    share(contractsByWork(face), cores).map((contracts) => {
      const selection = {};
      for (const { file, name } of contracts) (selection[file] ??= {})[name] = codes;
      return inWorker(withSelection(input, selection), basePath);
    }),
  );
  for (const part of parts) merge(face, part);
  return { output: face, imports };
}

function merge(whole, part) {
  for (const [file, contracts] of Object.entries(part.contracts ?? {})) {
    for (const [name, contract] of Object.entries(contracts)) {
      const target = ((whole.contracts ??= {})[file] ??= {});
      target[name] = { ...target[name], ...contract };
    }
  }
  const known = new Set((whole.errors ?? []).map((error) => error.formattedMessage));
  for (const error of part.errors ?? []) {
    if (!known.has(error.formattedMessage)) (whole.errors ??= []).push(error);
  }
}

if (isMainThread) {
  module.exports = { compile, failed, readImport };
} else {
  parentPort.postMessage(runOnce(workerData.input, workerData.basePath));
}
