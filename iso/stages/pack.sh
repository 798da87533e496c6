#!/bin/bash
# Pack folder $1 as squashfs file $2 with zstd level $3: equal folders give equal files, whenever and wherever this runs.
# Beside it goes root_bytes: the room that the folder takes on a disk, in whole blocks of 4096 bytes.
set -euo pipefail
env -u SOURCE_DATE_EPOCH mksquashfs "$1" "$2" -quiet -no-progress -noappend -all-time "$SOURCE_DATE_EPOCH" \
    -mkfs-time "$SOURCE_DATE_EPOCH" -comp zstd -Xcompression-level "$3"
find "$1" -printf '%y %i %s\n' | awk '
    $1 != "f" { blocks += 1 }
    $1 == "f" && !seen[$2]++ { blocks += int(($3 + 4095) / 4096) }
    END { printf "%.0f\n", blocks * 4096 }' >"$(dirname "$2")/root_bytes"
