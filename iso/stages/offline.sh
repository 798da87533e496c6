#!/bin/bash
# Refuse to build without a network what the cache cannot give: $1 is a folder of package indexes, $2 one of packages.
# The lock beside the indexes is of the last build with them.
set -euo pipefail
lists=$1 debs=$2
if [ ! -s "$lists/packages.lock" ]; then
    printf 'There are no package indexes in %s.\n  Build once without --offline, with a network.\n' "$lists" >&2
    exit 1
fi
missing=
while read -r name version digest; do
    # shellcheck disable=SC2144 # one architecture of each
    deb=$(find "$debs" -name "${name}_${version//:/%3a}_*.deb" -print -quit)
    [ -n "$deb" ] && echo "$digest  $deb" | sha256sum --check --status || missing="$missing"$'\n'"  $name $version"
done <"$lists/packages.lock"
if [ -n "$missing" ]; then
    printf 'These packages are missing from %s, or damaged there:%s\n  Build once without --offline, with a network.\n' "$debs" "$missing" >&2
    exit 1
fi
