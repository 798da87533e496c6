#!/bin/bash
# Print the lock of every package that went into tree $1: name, version, SHA-256 of the .deb, sorted by name.
# Each sum is compared with the signed index, so a damaged download in the cache does not get in.
set -euo pipefail
tree=$1
index=$(mktemp) lock=$(mktemp)
trap 'rm -f "$index" "$lock"' EXIT
chroot "$tree" apt-cache dumpavail |
    awk '/^Package:/ { name = $2 } /^Version:/ { version = $2 } /^SHA256:/ { print name, version, $2 }' |
    LC_ALL=C sort -u >"$index"
for deb in "$tree"/var/cache/apt/archives/*.deb; do
    file=${deb##*/} rest=${file#*_}
    version=${rest%_*}
    # Debs of an older build may lie in the cache: only what is installed counts, and iPXE, which is only unpacked.
    # shellcheck disable=SC2016 # dpkg expands it
    name=${file%%_*} installed=$(chroot "$tree" dpkg-query -Wf '${Version}' "${file%%_*}" 2>/dev/null || echo "")
    version=${version//%3a/:}
    if [ "$installed" = "$version" ] || [ "$name" = ipxe ]; then
        echo "$name $version $(sha256sum <"$deb" | cut -d' ' -f1)"
    fi
done | LC_ALL=C sort -u >"$lock"
strange=$(LC_ALL=C comm -23 "$lock" "$index")
if [ -n "$strange" ]; then
    printf 'These packages are not the ones that the signed index names; delete them from the cache:\n%s\n' "$strange" >&2
    exit 1
fi
cat "$lock"
