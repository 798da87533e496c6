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
FILE.manifest.json (packages, and the SHA-256 of each file that was built) and FILE.sha256.
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

Exit code: 0 done, 1 problems in the site file, 2 it cannot be built and says why, 128 and the signal's number when stopped.
TEXT
}

# Root's PATH may be a user's, without these.
PATH=$PATH:/usr/sbin:/sbin
top=$(dirname "$(realpath "$0")")
cache=$top/build/cache
# shellcheck source=/dev/null
. "$top/iso/running.sh"
# Mount options, xorriso and the hooks of mmdebstrap each take some of these for their own.
[[ $top != *[[:space:]\'\":,=\\\$\`\;\&]* ]] || refuse "it cannot build in $top" "build in a folder without blanks, quotes and :,=\\\$\`;& in its path"
what=iso out='' site='' serial=ttyS0,115200 version='' offline=''
while [ $# -gt 0 ]; do
    case $1 in
        --image) what=image ;;
        --offline) offline=1 ;;
        --out | --site | --serial | --version)
            [[ ${2-} && $2 != --* ]] || refuse "$1 needs a value" "see build_iso.sh --help"
            declare "${1#--}=$2" && shift
            ;;
        --help | -h) usage && exit 0 ;;
        *) refuse "there is no option '$1'" "see build_iso.sh --help" ;;
    esac
    shift
done
[[ $serial =~ ^ttyS[0-3],(9600|19200|38400|57600|115200)$ ]] ||
    refuse "--serial '$serial' is no serial line" "write ttyS0 to ttyS3, a comma, and 9600, 19200, 38400, 57600 or 115200: ttyS1,115200"
[[ $version =~ ^([A-Za-z0-9][A-Za-z0-9.+~-]{0,63})?$ ]] ||
    refuse "--version '$version' is no version" "use letters, digits and . + ~ -, at most 64, a letter or digit first"
level=${RACKSTRAP_SQUASHFS_LEVEL:-15}
[[ $level =~ ^([1-9]|1[0-9]|2[0-2])$ ]] || refuse "RACKSTRAP_SQUASHFS_LEVEL is '$level'" "set it to 1 to 22, or leave it out"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1788220800}
[[ $SOURCE_DATE_EPOCH =~ ^[0-9]{1,10}$ ]] || refuse "SOURCE_DATE_EPOCH is '$SOURCE_DATE_EPOCH'" "set it to seconds since 1970, or leave it out"
if [ -n "$site" ]; then
    [ "$what" = iso ] || refuse "--site goes with an ISO" "leave out --image"
    [ -f "$site" ] || refuse "there is no site file $site" "name a file that exists"
    # Where a link to it lies is where what it names is looked for, as by 'rackstrap iso customize'.
    site=$(realpath -s "$site")
fi
case $what in iso) out=${out:-$top/build/rackstrap.iso} ;; image) out=${out:-$top/build/image} ;; esac
out=$(realpath -m "$out")
if [ -e "$out" ]; then
    case $what in
        iso) [ -f "$out" ] || refuse "--out $out is not a file" "name the file that the ISO shall be" ;;
        # What was there is removed when the new one is whole.
        image) [ -f "$out/manifest.json" ] || [ -z "$(ls -A "$out")" ] || refuse "--out $out is there and is no image" "name a new folder" ;;
    esac
fi

missing=
while read -r tool package; do
    [ "$tool" = '#' ] || [ -x "$(command -v "$tool")" ] || [[ " $missing " = *" $package "* ]] || missing="$missing $package"
done <"$top/iso/tools.conf"
export RACKSTRAP_PYTHON=$top/.venv/bin/python
[ -x "$RACKSTRAP_PYTHON" ] || RACKSTRAP_PYTHON=python3
"$RACKSTRAP_PYTHON" -c 'import pip' 2>/dev/null || missing="$missing python3-pip"
[ -f /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
[ -z "$missing" ] || refuse "these packages are missing:$missing" "apt-get install$missing"
# Its problems are told now, not after a long build.
if [ -n "$site" ]; then
    "$RACKSTRAP_PYTHON" -c 'import pydantic' 2>/dev/null || refuse "--site needs Rackstrap's own Python packages" "make setup"
    PYTHONPATH=$top "$RACKSTRAP_PYTHON" "$top/iso/stages/site.py" "$site" >&2 || leave $?
fi
[ "$(id -u)" = 0 ] || refuse "unpacking Debian needs root" "sudo $0"

export LC_ALL=C TZ=UTC PYTHONHASHSEED=0 RACKSTRAP_OFFLINE=$offline
umask 022
cd "$top"
git ls-files --error-unmatch build_iso.sh >/dev/null || refuse "git does not list the program's files" "build in a clone of the repository"
folder=$(dirname "$out")
try_folder "$folder" "name another place with --out"
try_folder "$cache" "make room there, or build in a clone on another disk"
mkdir -p "$cache"/{debs,lists,wheels}
exec 9>"$cache/lock"
flock -n 9 || { echo "build_iso.sh: another build uses $cache; this one goes on when that has ended" >&2 && run flock 9; }

base='' admin='' initrd='' layer='' iso=''
base_key=$(key "$SOURCE_DATE_EPOCH" "$level" "${RACKSTRAP_SUITE:-trixie}" "${RACKSTRAP_MIRROR:-}" -- iso/packages iso/base iso/base-masked.list iso/stages/{base,clean,keep_lists,lock,offline,pack,tftp}.sh)
stage base 1500 "$base_key" iso/stages/base.sh "$cache"/{debs,lists/base}
admin_key=$(key "$base_key" -- iso/{packages-admin,admin-masked}.list iso/python.{conf,lock} iso/python-trim.list iso/stages/{admin,keep_lists,lock,offline,pack,wheels}.sh)
stage admin 400 "$admin_key" iso/stages/admin.sh "$base/tree" "$cache"/{debs,lists/admin,wheels}
initrd_key=$(key "$base_key" -- iso/initramfs iso/live iso/medium iso/{live-masked,live-rules,medium-kept}.list iso/stages/initrd.sh)
stage initrd 200 "$initrd_key" iso/stages/initrd.sh "$base/tree"
mapfile -d '' code < <(git ls-files -z installer screens)
layer_key=$(key "$initrd_key" -- "${code[@]}" iso/overlay iso/stages/{layer,pack}.sh)
stage layer 100 "$layer_key" iso/stages/layer.sh "$base/tree" "$initrd"
version=${version:-$(sed -n 's/^__version__ = "\(.*\)"/\1/p' installer/__init__.py)+$layer_key}

if [ "$what" = image ]; then
    run python3 iso/stages/publish.py "$base" "$initrd" "$admin" "$layer" "$out" "$version" ||
        refuse "the image cannot be written to $folder" "make room there, or name another place with --out"
else
    id=$(key "$layer_key" "$admin_key" "$version" "$serial" -- iso/boot iso/python.lock iso/stages/{iso.sh,menu.sh,manifest.py,publish.py})
    ID=$id SERIAL=$serial VERSION=$version stage iso 400 "$id" iso/stages/iso.sh "$base" "$initrd" "$admin" "$layer"
    # A copy, swapped in at once when it is whole: who changes an ISO must not change the cache.
    if [ -n "$site" ]; then
        fresh=$folder/.${out##*/}.rackstrap # what that verb writes until it is whole
        run "$RACKSTRAP_PYTHON" -m installer.cli iso customize "$iso/rackstrap.iso" --site "$site" --out "$out" --force >&2 || leave $?
    else
        fresh=$out.new
        run cp --reflink=auto "$iso/rackstrap.iso" "$fresh" ||
            refuse "the ISO cannot be written to $folder" "make room there, or name another place with --out"
        mv "$fresh" "$out"
    fi
    cp "$iso/rackstrap.iso.manifest.json" "$out.manifest.json"
    (cd "$folder" && sha256sum "${out##*/}" >"$out.sha256")
fi
echo "build_iso.sh: $out is ready: $(du -shL "$out" | cut -f1), version $version, ${SECONDS} s"
