#!/bin/bash
# Print the lock of the packages in tree $1 that are not in lock file $2: name, version, SHA-256 of the .deb, sorted by name.
# $3…: packages that are only unpacked. Each sum is compared with the signed index, so a damaged download does not get in.
set -euo pipefail
tree=$1 known=$2 unpacked=" ${*:3} "
index=$(mktemp) lock=$(mktemp)
trap 'rm -f "$index" "$lock"' EXIT
chroot "$tree" apt-cache dumpavail |
    awk '/^Package:/ { name = $2 } /^Version:/ { version = $2 } /^SHA256:/ { print name, version, $2 }' |
    LC_ALL=C sort -u >"$index"
for deb in "$tree"/var/cache/apt/archives/*.deb; do
    file=${deb##*/} name=${file%%_*} rest=${file#*_}
    version=${rest%_*}
    version=${version//%3a/:}
    # Debs of an older build may lie in the cache: only what is installed counts, and what is unpacked, as the index has it.
    # shellcheck disable=SC2016 # dpkg expands it
    installed=$(chroot "$tree" dpkg-query -Wf '${Version}' "$name" 2>/dev/null || echo "")
    if [ "$installed" = "$version" ] || { [[ $unpacked = *" $name "* ]] && grep -q "^$name $version " "$index"; }; then
        echo "$name $version $(sha256sum <"$deb" | cut -d' ' -f1)"
    fi
done | LC_ALL=C sort -u | LC_ALL=C comm -13 "$known" - >"$lock"
strange=$(LC_ALL=C comm -23 "$lock" "$index")
if [ -n "$strange" ]; then
    printf 'These packages are not the ones that the signed index names; delete them from the cache:\n%s\n' "$strange" >&2
    exit 1
fi
cat "$lock"
