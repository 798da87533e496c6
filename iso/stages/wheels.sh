#!/bin/bash
# Install the wheels of iso/python.lock in folder $2. $1: directory of downloaded wheels, kept between builds.
set -euo pipefail
wheels=$1 target=$2 iso=$(dirname "$(dirname "$(realpath "$0")")")
# shellcheck source=/dev/null
. <(sed -n 's/^\([A-Z]*\)=\(.*\)/\1="\2"/p' "$iso/python.conf")
python=$iso/../.venv/bin/python
[ -x "$python" ] || python=python3
words=("--only-binary=:all:" --no-deps --implementation=cp "--python-version=$PYTHON")
for platform in $PLATFORMS; do words+=("--platform=$platform"); done
for abi in $ABIS; do words+=("--abi=$abi"); done
pip=("$python" -m pip --disable-pip-version-check --quiet)
mkdir -p "$wheels"
# From the cache alone when everything is there.
"${pip[@]}" install "${words[@]}" --no-index "--find-links=$wheels" --require-hashes -r "$iso/python.lock" --no-compile --target "$target" 2>/dev/null || {
    rm -rf "$target"
    "${pip[@]}" download "${words[@]}" --require-hashes -r "$iso/python.lock" -d "$wheels"
    "${pip[@]}" install "${words[@]}" --no-index "--find-links=$wheels" --require-hashes -r "$iso/python.lock" --no-compile --target "$target"
}
# What is only for pip and for the packages' own developers.
rm -rf "${target:?}/bin"
find "$target" -type d \( -name tests -o -name test -o -name __pycache__ \) -prune -exec rm -rf {} +
find "$target" \( -path '*.dist-info/*' ! -name METADATA -o -name '*.pyi' -o -name '*.c' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' \) -type f -delete
grep -v '^#' "$iso/python-trim.list" | while read -r path; do rm -r "${target:?}/$path"; done
find "$target" -type d -empty -delete
chmod -R u=rwX,go=rX "$target"
