#!/bin/bash
# Keep the package indexes of folder $1 and lock file $2 as folder $3, for builds without a network: both, or what was there.
set -euo pipefail
new=$3.new old=$3.old
rm -rf "$new" "$old"
mkdir -p "$new"
find "$1" -maxdepth 1 -type f -size +0 ! -name packages.lock -exec cp -t "$new" {} +
cp "$2" "$new/packages.lock"
[ ! -d "$3" ] || mv "$3" "$old"
mv "$new" "$3"
rm -rf "$old"
