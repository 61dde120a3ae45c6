#!/usr/bin/env bash
# What some tests use and no Python or Node package holds, from Debian's packages. Without it those tests are skipped.
set -euo pipefail

packages=()
command -v fpcalc > /dev/null || packages+=(libchromaprint-tools)
compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || packages+=(postgresql)
if ((${#packages[@]} == 0)); then exit 0; fi

if ! command -v apt-get > /dev/null || [[ $(id -u) != 0 ]]; then
  echo "tests that need ${packages[*]} will be skipped: install them, or run this as root on Debian"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends "${packages[@]}" > /dev/null
echo "installed ${packages[*]}"
