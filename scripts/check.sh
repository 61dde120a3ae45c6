#!/usr/bin/env bash
# Every linter, every time; fails if any of them has something to say. Run by `make check`.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=()
step() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
}

python_folders=()
for folder in obbligato backend oracle scripts; do
  [[ -n $(find "$folder" -name '*.py' -print -quit 2>/dev/null) ]] && python_folders+=("$folder")
done

solidity() {
  [[ -z $(find contracts -name '*.sol' -print -quit 2>/dev/null) ]] && return 0
  node_modules/.bin/solhint --config .solhint.json --noPoster --max-warnings 0 'contracts/**/*.sol'
}

natspec() {
  node_modules/.bin/solhint --config contracts/interfaces/.solhint.json --noPoster --max-warnings 0 'contracts/interfaces/*.sol'
}

slither() {
  [[ -z $(find contracts -name '*.sol' -print -quit 2>/dev/null) ]] && return 0
  mkdir -p .toolchain/slither
  .venv/bin/python -m scripts.solc.standard_json --no-code > .toolchain/slither/input.json &&
    .venv/bin/python -m scripts.slither .toolchain/slither/input.json "$SOLCX_BINARY_PATH"/solc-v*
}

export SOLCX_BINARY_PATH=${SOLCX_BINARY_PATH:-$PWD/.toolchain/solcx}
step "ruff check" .venv/bin/ruff check
step "ruff format" .venv/bin/ruff format --check
step "mypy" .venv/bin/mypy "${python_folders[@]}"
step "imports" .venv/bin/lint-imports --no-cache
step "solhint" solidity
step "natspec" natspec
step "suppressions" .venv/bin/python -m scripts.suppressions
step "slither" slither

if ((${#failed[@]})); then
  printf '\nfailed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
  exit 1
fi
printf '\nall checks passed\n'
