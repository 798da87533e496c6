#!/bin/bash
# Install the wheels of iso/python.lock in folder $2. $1: directory of downloaded wheels, kept between builds.
set -euo pipefail
wheels=$1 target=$2 iso=$(dirname "$(dirname "$(realpath "$0")")")
# shellcheck source=/dev/null
. <(sed -n 's/^\([A-Z]*\)=\(.*\)/\1="\2"/p' "$iso/python.conf")
words=("--only-binary=:all:" --no-deps --implementation=cp "--python-version=$PYTHON")
for platform in $PLATFORMS; do words+=("--platform=$platform"); done
for abi in $ABIS; do words+=("--abi=$abi"); done
pip=("${RACKSTRAP_PYTHON:-python3}" -m pip --disable-pip-version-check --quiet)
mkdir -p "$wheels"

# The wheels of the lock whose very bytes are not in the cache.
find_missing() {
    local have line
    have=$(find "$wheels" -name '*.whl' -exec sha256sum {} + | cut -d' ' -f1)
    while read -r line; do
        [[ $have = *"${line##*sha256:}"* ]] || echo "  ${line%% *}"
    done <"$iso/python.lock"
}
missing=$(find_missing)
if [ -n "$missing" ]; then
    if [ -n "${RACKSTRAP_OFFLINE-}" ]; then
        printf 'These wheels are missing from %s:\n%s\n  Build once without --offline, with a network.\n' "$wheels" "$missing" >&2
        exit 1
    fi
    "${pip[@]}" download "${words[@]}" --require-hashes -r "$iso/python.lock" -d "$wheels"
fi
"${pip[@]}" install "${words[@]}" --no-index "--find-links=$wheels" --require-hashes -r "$iso/python.lock" --no-compile --target "$target"
# What is only for pip and for the packages' own developers.
rm -rf "${target:?}/bin"
find "$target" -type d \( -name tests -o -name test -o -name __pycache__ \) -prune -exec rm -rf {} +
find "$target" \( -path '*.dist-info/*' ! -name METADATA -o -name '*.pyi' -o -name '*.c' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' \) -type f -delete
grep -v '^#' "$iso/python-trim.list" | while read -r path; do rm -r "${target:?}/$path"; done
find "$target" -type d -empty -delete
chmod -R u=rwX,go=rX "$target"
