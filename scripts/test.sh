#!/usr/bin/env bash
# The tests: those without contracts under plain pytest, then tests/contracts under Brownie. Run by `make test`.
#   AREA  a file or folder under tests/ (default: everything)
#   K     pytest's -k expression
#   JOBS  number of processes (default: one a core; 2 at most for plain pytest, 4 for Brownie)
set -euo pipefail
cd "$(dirname "$0")/.."

area=${AREA:-}
area=${area#tests/}
options=()
[[ -n ${K:-} ]] && options+=(-k "$K")

spread() { # pytest's options for a number of processes
  if [[ $1 != 1 ]]; then echo "-n $1 --dist loadscope"; fi
}
cores=$(getconf _NPROCESSORS_ONLN)
plain_spread=$(spread "${JOBS:-$((cores > 2 ? 2 : cores))}")
chain_spread=$(spread "${JOBS:-$((cores > 4 ? 4 : cores))}")

has_tests() {
  [[ -e $1 ]] && [[ -n $(find "$1" -name 'test_*.py' -print -quit) ]]
}

# pytest's 5 means that nothing was collected: right with -k, where only one half may match; otherwise a mistake.
ran() {
  local code=0
  "$@" || code=$?
  if [[ $code == 5 && -n ${K:-} ]]; then
    code=0
  fi
  return "$code"
}

plain() {
  # shellcheck disable=SC2086 -- the spread is words
  ran .venv/bin/python -m pytest "$@" "${options[@]}" $plain_spread
}

chain() {
  # shellcheck disable=SC2086 -- the spread is words
  ran scripts/brownie test "$@" "${options[@]}" $chain_spread
}

if [[ -n $area ]]; then
  [[ -e tests/${area%%::*} ]] || { echo "no such tests: tests/$area" >&2; exit 2; }
  case $area in
    contracts | contracts/*) chain "tests/$area" ;;
    *) plain "tests/$area" ;;
  esac
  exit
fi

code=0
others=()
for folder in tests/*/; do
  [[ $folder == tests/contracts/ ]] || ! has_tests "$folder" || others+=("$folder")
done
if ((${#others[@]})); then plain "${others[@]}" || code=$?; fi
if has_tests tests/contracts; then chain tests/contracts || code=$?; fi
exit "$code"
