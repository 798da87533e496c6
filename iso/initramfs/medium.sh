# shellcheck shell=sh
# shellcheck disable=SC2034 # PANIC_S is for refuse
# Starting from the admin medium: find it on removable devices only, and lay its image together. Sourced by init.
# Nothing but ISO 9660 is ever mounted here: mounting any other filesystem may write to it, even read-only.

# MemTotal. With 462 MB (a machine of 512) TUI and SSH ran and 346 MB stayed free; an installation takes up to 300 of them.
MEDIUM_FLOOR_MB=${MEDIUM_FLOOR_MB:-500}

# Read what of the kernel line is about the medium: MEDIUM (16 hex digits, as its /.disk/rackstrap says), CHECK, MEMORY.
parse_medium_words() {
    MEDIUM='' CHECK='' MEMORY=''
    for word in "$@"; do
        case $word in
            rackstrap.medium=*) MEDIUM=$(echo "${word#*=}" | grep -xE '[0-9a-f]{16}') || MEDIUM=none ;;
            rackstrap.check=1) CHECK=1 ;;
            rackstrap.memory=1) MEMORY=1 ;;
        esac
    done
}

# The disks that a person can put in and take out: optical, marked removable, or behind USB, as virtual media are.
find_removable() {
    for block in "$SYS"/block/*; do
        name=${block##*/}
        case $name in '*' | loop* | ram* | zram* | fd* | md* | dm-*) continue ;; sr*) echo "$name" && continue ;; esac
        case $(readlink -f "$block") in */usb[0-9]*) echo "$name" && continue ;; esac
        [ "$(cat "$block/removable" 2>/dev/null)" != 1 ] || echo "$name"
    done
}

# Disk $1 and its partitions.
find_parts() {
    echo "$1"
    for part in "$SYS/block/$1/$1"*; do
        [ ! -e "$part/partition" ] || echo "${part##*/}"
    done
}

# Does device $1 hold ISO 9660? Its first volume descriptor says "CD001" (ECMA-119, 8.1).
is_iso() {
    [ "$(dd if="$1" bs=1 skip=32769 count=5 2>/dev/null)" = CD001 ]
}

# Try every removable device once: mount the medium with id $1 at $2. What was looked at is then in LOOKED.
run_look() {
    LOOKED=''
    for disk in $(find_removable); do
        for device in $(find_parts "$disk"); do
            said='no ISO'
            if is_iso "/dev/$device" && mount -t iso9660 -o ro,nodev,nosuid "/dev/$device" "$2" 2>/dev/null; then
                [ "$(head -c 16 "$2/.disk/rackstrap" 2>/dev/null)" != "$1" ] || return 0
                umount "$2"
                said='another ISO'
            fi
            LOOKED="$LOOKED${LOOKED:+, }$device ($said)"
        done
    done
    return 1
}

# Mount the medium with id $1 at $2. Looks for ever, as virtual media may be plugged in again; says so every ten seconds.
run_find_medium() {
    mkdir -p "$2"
    modprobe -q -a isofs sr_mod 2>/dev/null
    round=0
    while :; do
        load_modules
        ! run_look "$1" "$2" || return 0
        round=$((round + 1))
        if [ $((round % 40)) = 0 ]; then
            say "Looking for the Rackstrap medium $1. Removable devices seen: ${LOOKED:-none}."
            say "Put it in, or connect the virtual medium again: this goes on looking. Other disks are not looked at."
        fi
        sleep 0.25
    done
}

# Is there memory for the live system? Says what is missing, in MB, when not. $1: bytes to be copied into memory.
check_medium_memory() {
    need_mb=$((MEDIUM_FLOOR_MB + $1 / 1048576))
    have_mb=$(awk '/^MemTotal:/ { print int($2 / 1024) }' "${MEMINFO:-/proc/meminfo}")
    [ "$have_mb" -ge "$need_mb" ] || echo "There is too little memory: $have_mb MB of the $need_mb MB that Rackstrap needs."
}

# Compare the image in folder $1 with the sums that came with it. Prints what differs.
check_image() {
    (cd "$1" && sha256sum -c image.sha256 2>/dev/null | sed -n 's/: FAILED.*//p' | tr '\n' ' ')
}

# Copy the medium at $1 into memory at $2: the boot loader's part stays behind. Takes the image's size and a little.
run_copy() {
    size_kb=$(du -sk "$1/rackstrap" | cut -f1)
    problem=$(check_medium_memory $((size_kb * 1024)))
    [ -z "$problem" ] || refuse "$problem Start without rackstrap.memory=1, and leave the medium in."
    say "Copying $((size_kb / 1024)) MB into memory."
    mkdir -p "$2"
    mount -t tmpfs -o "mode=0755,nodev,nosuid,size=$((size_kb + 4096))k" medium "$2"
    cp -r "$1/.disk" "$1/rackstrap" "$2/" || refuse "The medium cannot be read. Write it again, or use another one."
    mount -o remount,ro "$2"
    umount "$1"
}

# Find the medium, look at it, and lay the live system together at /newroot.
run_medium() {
    PANIC_S=300 # time to read; what is wrong is not cured by starting again
    problem=$(check_medium_memory 0)
    [ -z "$problem" ] || refuse "$problem"
    [ "$1" != none ] || refuse "rackstrap.medium= on the kernel line is not 16 hex digits."
    place=$RUN/rackstrap/medium
    if [ -z "$MEMORY" ]; then
        run_find_medium "$1" "$place"
    else
        run_find_medium "$1" "$RUN/rackstrap/source"
        run_copy "$RUN/rackstrap/source" "$place"
    fi
    if [ -n "$CHECK" ]; then
        say "Checking the medium: every file is read once."
        wrong=$(check_image "$place/rackstrap")
        [ -z "$wrong" ] || refuse "The medium is damaged: $wrong. Write it again, or use another one."
        say "The medium is whole."
    fi
    run_overlay "$place/rackstrap" rackstrap admin root
    render_medium
    cp -r /medium/. /newroot/
    : >/newroot/etc/fstab
    mkdir -p /newroot/usr/lib/rackstrap
    ln -s "$RUN/rackstrap/medium/rackstrap" /newroot/usr/lib/rackstrap/image
}

# The live system's udev rules and networks: every network card asks for an address, and none is waited for.
# A network that `rackstrap network set` has set comes first (05-).
render_medium() {
    render_rules
    mkdir -p "$RUN/systemd/network"
    cat >"$RUN/systemd/network/20-rackstrap-live.network" <<-'NETWORK'
	[Match]
	Type=ether
	Kind=!*
	[Link]
	RequiredForOnline=no
	[Network]
	DHCP=ipv4
	LinkLocalAddressing=no
	IPv6AcceptRA=no
	LLDP=yes
	[DHCPv4]
	ClientIdentifier=mac
	UseHostname=no
	RequestOptions=224
	NETWORK
}
