#!/bin/bash
# Build the image that every machine boots and is installed from. Asks nothing, may be stopped and started again.
set -euo pipefail
shopt -s inherit_errexit

usage() {
    cat <<TEXT
Usage: build_iso.sh --image [--out DIR]

Builds DIR (default: build/image): vmlinuz, initrd, root.squashfs, rackstrap.squashfs, tftp/, manifest.json,
packages.lock, image.sha256. Stages whose inputs did not change are taken from build/cache.

  RACKSTRAP_MIRROR           package mirror (default: Debian's own)
  RACKSTRAP_SQUASHFS_LEVEL   zstd level of root.squashfs (default: 15; 3 is quicker)
  SOURCE_DATE_EPOCH          newest time that a file in the image may carry
TEXT
}

top=$(dirname "$(realpath "$0")")
out=$top/build/image
action=
while [ $# -gt 0 ]; do
    case $1 in
        --image) action=image ;;
        --out) out=$(realpath -m "${2:?--out needs a directory}") && shift ;;
        --help | -h) usage && exit 0 ;;
        *) usage >&2 && exit 2 ;;
    esac
    shift
done
[ -n "$action" ] || { usage >&2 && exit 2; }

missing=
need() { command -v "$1" >/dev/null || missing="$missing $2"; }
need mmdebstrap mmdebstrap
need mksquashfs squashfs-tools
need zstd zstd
need cpio cpio
need xz xz-utils
need depmod kmod
need git git
need python3 python3
need flock util-linux
if [ -n "$missing" ]; then
    printf 'build_iso.sh: these packages are missing:%s\n  apt-get install%s\n' "$missing" "$missing" >&2
    exit 2
fi
if [ "$(id -u)" != 0 ]; then
    printf 'build_iso.sh: unpacking Debian needs root\n  sudo %s\n' "$0 --image" >&2
    exit 2
fi

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1788220800} LC_ALL=C TZ=UTC
umask 022
cache=$top/build/cache
mkdir -p "$cache/debs"
exec 9>"$cache/lock"
flock 9
cd "$top"

# key WORD… -- FILE…: what a stage's result depends on, as 16 hex digits.
key() {
    local words=
    while [ "$1" != -- ]; do words="$words $1" && shift; done && shift
    { echo "$words" && find "$@" -type f -print0 | sort -z | xargs -0 sha256sum && find "$@" -type f -perm -100 | sort; } |
        sha256sum | cut -c1-16
}

# stage NAME KEY COMMAND…: run COMMAND with the stage's directory as its last argument, unless that is there already.
stage() {
    local dir=$cache/$1-$2 begin=$SECONDS
    if [ ! -d "$dir" ]; then
        echo "build_iso.sh: $1 …" >&2
        # Left by a build that was stopped; its downloads are kept by the package cache.
        find "$cache" -maxdepth 1 -name "$1-*.partial" -exec rm -rf --one-file-system {} +
        mkdir "$dir.partial"
        # What a stage mounts is seen by nobody else and goes with it.
        unshare --mount "${@:3}" "$dir.partial" >&2
        find "$cache" -maxdepth 1 -name "$1-*" ! -name '*.partial' -exec rm -rf --one-file-system {} +
        mv "$dir.partial" "$dir"
        echo "build_iso.sh: $1 took $((SECONDS - begin)) s" >&2
    fi
    echo "$dir"
}

level=${RACKSTRAP_SQUASHFS_LEVEL:-15}
base_key=$(key "$SOURCE_DATE_EPOCH" "$level" "${RACKSTRAP_SUITE:-trixie}" "${RACKSTRAP_MIRROR:-}" -- iso/packages iso/base iso/base-masked.list iso/stages/{base,clean,lock,tftp}.sh)
base=$(stage base "$base_key" iso/stages/base.sh "$cache/debs")
initrd_key=$(key "$base_key" -- iso/initramfs iso/live iso/live-{masked,rules}.list iso/stages/initrd.sh)
initrd=$(stage initrd "$initrd_key" iso/stages/initrd.sh "$base/tree")
mapfile -d '' code < <(git ls-files -z installer screens)
layer_key=$(key "$initrd_key" -- "${code[@]}" iso/overlay iso/stages/layer.sh)
layer=$(stage layer "$layer_key" iso/stages/layer.sh "$base/tree" "$initrd")
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' installer/__init__.py)
python3 iso/stages/publish.py "$base" "$initrd" "$layer" "$out" "$version+$layer_key"
echo "build_iso.sh: $out is ready: $(du -shL "$out" | cut -f1), version $version+$layer_key, ${SECONDS} s"
