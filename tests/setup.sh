#!/bin/bash
# Installs what the virtual rack and the tests need: Debian's packages, and a virtual environment.
# usage: tests/setup.sh PYTHON VENV      (as root, on Debian 12 or 13; safe to run again)
set -euo pipefail
python=$1 venv=$2
here=$(cd "$(dirname "$0")" && pwd)

if [ "$(id -u)" != 0 ]; then
  echo "setup: run this as root: it installs packages and makes network namespaces" >&2
  exit 2
fi

mapfile -t wanted < <(grep -Ev '^\s*(#|$)' "$here/packages.txt")
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: installing ${#missing[@]} Debian packages"
  # Nothing that we install may start by itself: the host's own network stays as it is.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
  for unit in nginx lldpd openipmi; do
    case " ${missing[*]} " in *" $unit"*) systemctl disable "$unit" >/dev/null 2>&1 || true ;; esac
  done
fi

if [ ! -x "$venv/bin/pip" ]; then
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: $python is older than 3.11; name another one: make PYTHON=python3.12 …" >&2
    exit 2
  }
  "$python" -m venv "$venv"
fi
"$venv/bin/pip" install -q --upgrade 'pip>=25.1' 'setuptools>=77'
"$venv/bin/pip" install -q --editable . --group dev
