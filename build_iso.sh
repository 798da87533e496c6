#!/bin/bash
# Build the admin ISO, and the image in it that every machine boots and is installed from. Asks nothing, may be stopped
# and started again. What is built is data: iso/ and its stages; here are only their order and what each depends on.
set -euo pipefail
shopt -s inherit_errexit

usage() {
    cat <<TEXT
Usage: build_iso.sh [--out FILE] [--site FILE] [--serial LINE] [--version V]
       build_iso.sh --image [--out DIR]

Builds the admin ISO, build/rackstrap.iso: for BIOS, UEFI and Secure Boot, as CD, USB stick or virtual media. Beside it
FILE.manifest.json (packages, and the SHA-256 of all that is inside) and FILE.sha256.
With --image only the image in it, as a directory (build/image): what machines boot over the network.
Stages whose inputs did not change are taken from build/cache, so a build that was stopped goes on where it was.

  --out FILE       where the result goes
  --site FILE      put this site file into the ISO, as 'rackstrap iso customize' does
  --serial LINE    the serial console of menu and kernel: ttyS0 to ttyS3, comma, speed (default: ttyS0,115200)
  --offline        use only what build/cache holds; say what is missing
  --version V      the version to show (default: the program's own, and a digest of what is in it)
  --help           this text

  RACKSTRAP_MIRROR           package mirror (default: Debian's own)
  RACKSTRAP_SQUASHFS_LEVEL   zstd level of the image (default: 15; 3 is quicker)
  SOURCE_DATE_EPOCH          time that the files in the image carry, in seconds since 1970
TEXT
}

# refuse MESSAGE REMEDY: end without having done anything.
refuse() {
    printf 'build_iso.sh: %s\n  %s\n' "$1" "$2" >&2
    exit 2
}

top=$(dirname "$(realpath "$0")")
what=iso out='' site='' serial=ttyS0,115200 version='' offline=''
while [ $# -gt 0 ]; do
    case $1 in
        --image) what=image ;;
        --offline) offline=1 ;;
        --out | --site | --serial | --version)
            [ -n "${2-}" ] || refuse "$1 needs a value" "see build_iso.sh --help"
            declare "${1#--}=$2" && shift
            ;;
        --help | -h) usage && exit 0 ;;
        *) refuse "there is no option '$1'" "see build_iso.sh --help" ;;
    esac
    shift
done
[[ $serial =~ ^ttyS[0-3],(9600|19200|38400|57600|115200)$ ]] ||
    refuse "--serial '$serial' is no serial line" "write ttyS0 to ttyS3, a comma, and 9600, 19200, 38400, 57600 or 115200: ttyS1,115200"
[[ $version =~ ^[A-Za-z0-9.+~-]{0,64}$ ]] || refuse "--version '$version' is no version" "use letters, digits and . + ~ -, at most 64"
if [ -n "$site" ]; then
    [ "$what" = iso ] || refuse "--site goes with an ISO" "leave out --image"
    [ -f "$site" ] || refuse "there is no site file $site" "name a file that exists"
    site=$(realpath "$site")
fi
case $what in iso) out=${out:-$top/build/rackstrap.iso} ;; image) out=${out:-$top/build/image} ;; esac
out=$(realpath -m "$out")

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
need xorriso xorriso
need mcopy mtools
need mkfs.vfat dosfstools
export RACKSTRAP_PYTHON=$top/.venv/bin/python
[ -x "$RACKSTRAP_PYTHON" ] || RACKSTRAP_PYTHON=python3
"$RACKSTRAP_PYTHON" -c 'import pip' 2>/dev/null || missing="$missing python3-pip"
[ -z "$missing" ] || refuse "these packages are missing:$missing" "apt-get install$missing"
# Its problems are told now, not after a long build.
if [ -n "$site" ]; then
    "$RACKSTRAP_PYTHON" -c 'import pydantic' 2>/dev/null || refuse "--site needs Rackstrap's own Python packages" "make setup"
    (cd "$top" && "$RACKSTRAP_PYTHON" -m installer.cli check "$site") >&2 || exit 1
fi
[ "$(id -u)" = 0 ] || refuse "unpacking Debian needs root" "sudo $0"

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1788220800} LC_ALL=C TZ=UTC PYTHONHASHSEED=0 RACKSTRAP_OFFLINE=$offline
umask 022
cache=$top/build/cache
mkdir -p "$cache"/{debs,lists,wheels} "$(dirname "$out")"
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
base_key=$(key "$SOURCE_DATE_EPOCH" "$level" "${RACKSTRAP_SUITE:-trixie}" "${RACKSTRAP_MIRROR:-}" -- iso/packages iso/base iso/base-masked.list iso/stages/{base,clean,lock,offline,pack,tftp}.sh)
base=$(stage base "$base_key" iso/stages/base.sh "$cache"/{debs,lists/base})
admin_key=$(key "$base_key" -- iso/{packages-admin,admin-masked}.list iso/python.{conf,lock} iso/python-trim.list iso/stages/{admin,lock,offline,pack,wheels}.sh)
admin=$(stage admin "$admin_key" iso/stages/admin.sh "$base/tree" "$cache"/{debs,lists/admin,wheels})
initrd_key=$(key "$base_key" -- iso/initramfs iso/live iso/medium iso/{live-masked,live-rules,medium-kept}.list iso/stages/initrd.sh)
initrd=$(stage initrd "$initrd_key" iso/stages/initrd.sh "$base/tree")
mapfile -d '' code < <(git ls-files -z installer screens)
layer_key=$(key "$initrd_key" -- "${code[@]}" iso/overlay iso/stages/{layer,pack}.sh)
layer=$(stage layer "$layer_key" iso/stages/layer.sh "$base/tree" "$initrd")
version=${version:-$(sed -n 's/^__version__ = "\(.*\)"/\1/p' installer/__init__.py)+$layer_key}

if [ "$what" = image ]; then
    python3 iso/stages/publish.py "$base" "$initrd" "$admin" "$layer" "$out" "$version"
else
    id=$(key "$layer_key" "$admin_key" "$version" "$serial" -- iso/boot iso/python.lock iso/stages/{iso.sh,menu.sh,manifest.py,publish.py})
    result=$(ID=$id SERIAL=$serial VERSION=$version stage iso "$id" iso/stages/iso.sh "$base" "$initrd" "$admin" "$layer")
    # A copy, swapped in at once when it is whole: who changes an ISO must not change the cache.
    rm -f "$out.new"
    cp --reflink=auto "$result/rackstrap.iso" "$out.new"
    if [ -n "$site" ]; then
        said=$("$RACKSTRAP_PYTHON" -m installer.cli iso customize "$out.new" --site "$site") || { echo "$said" >&2 && exit 1; }
    fi
    mv "$out.new" "$out"
    cp "$result/rackstrap.iso.manifest.json" "$out.manifest.json"
    (cd "$(dirname "$out")" && sha256sum "${out##*/}" >"$out.sha256")
fi
echo "build_iso.sh: $out is ready: $(du -shL "$out" | cut -f1), version $version, ${SECONDS} s"
