# shellcheck shell=sh
# The parts of init: one thing each, so that tests can source them with another ROOT.
# Everything here runs under busybox sh, before any udev, on a machine whose disks may hold someone's data.

SYS=${SYS:-/sys}
RUN=${RUN:-/run}

# Write a line to every console of the kernel, with the seconds since start: `quiet` hides the kernel's own. A long one is
# folded: not every terminal on a serial line does so by itself.
say() {
    lines=$(echo "rackstrap[$(cut -d' ' -f1 /proc/uptime)] $*" | fold -s -w 78 | sed 's/ *$/\r/')
    for console in $(cat "$SYS/class/tty/console/active" 2>/dev/null || echo console); do
        printf '%s\n' "$lines" 2>/dev/null >"/dev/$console" || :
    done
}

# Give up: say why, then start over, because the boot script is made anew at every boot.
refuse() {
    say "$*"
    say "Starting again in ${PANIC_S:-30} s."
    sleep "${PANIC_S:-30}"
    reboot -f
}

# Read the kernel line given as words into IMAGE, SHA256, MAC, ROOT, MD, PANIC_S.
parse_cmdline() {
    IMAGE='' SHA256='' MAC='' ROOT='' MD='' PANIC_S=30 BOOTIF=''
    for word in "$@"; do
        case $word in
            rackstrap.image=*) IMAGE=${word#*=} ;;
            rackstrap.sha256=*) SHA256=${word#*=} ;;
            rackstrap.mac=*) MAC=$(parse_mac "${word#*=}") ;;
            rackstrap.md=*) MD=${word#*=} ;;
            root=*) ROOT=${word#*=} ;;
            BOOTIF=*) BOOTIF=$(parse_mac "${word#BOOTIF=01-}") ;;
            panic=[1-9]*) PANIC_S=${word#*=} ;;
        esac
    done
    MAC=${MAC:-$BOOTIF}
}

# A MAC address in the kernel's spelling; nothing when it is none.
parse_mac() {
    echo "$1" | tr 'A-F-' 'a-f:' | grep -xE '([0-9a-f]{2}:){5}[0-9a-f]{2}' || :
}

# Set every disk read-only. Partitions follow their disk: the kernel asks both flags.
lock_disks() {
    for block in "$SYS"/block/*; do
        case ${block##*/} in '*' | loop* | ram* | zram* | sr*) continue ;; esac
        [ "$(cat "$block/ro")" = 1 ] || blockdev --setro "/dev/${block##*/}"
    done
}

# Load the modules that the devices seen so far ask for; new disks are locked at once unless we boot from one.
load_modules() {
    find "$SYS/devices" -name modalias -exec cat {} + 2>/dev/null | sort -u >/tmp/aliases
    if ! cmp -s /tmp/aliases /tmp/aliases.seen; then
        xargs -n 200 modprobe -q -a -b </tmp/aliases 2>/dev/null || :
        mv /tmp/aliases /tmp/aliases.seen
    fi
    [ -n "$ROOT" ] || lock_disks
}

# The interface with this MAC address, or nothing. A VLAN or bond may carry the same one: only real devices count.
find_interface() {
    for net in "$SYS"/class/net/*; do
        [ -e "$net/device" ] && [ "$(cat "$net/address")" = "$1" ] && echo "${net##*/}" && return
    done
    return 0
}

# Every real interface, with its link set up.
find_interfaces() {
    for net in "$SYS"/class/net/*; do
        [ -e "$net/device" ] && echo "${net##*/}"
    done
    return 0
}

# Bring up the network that this machine was booted from; asks for ever, as a DHCP server may come up later than we.
run_network() {
    round=0
    until [ -s "$RUN/rackstrap/net" ]; do
        load_modules
        boot=$(find_interface "$MAC")
        # The booting card may have no driver here: after a while, any card with a link will do.
        if [ -n "$boot" ] && [ $((round % 8)) -lt 6 ]; then try=$boot; else try=$(find_interfaces); fi
        # All of them: a link needs seconds to come up, and the agent wants to know which cards have one.
        for interface in $(find_interfaces); do ip link set "$interface" up; done
        for interface in $try; do
            [ "$(cat "$SYS/class/net/$interface/carrier" 2>/dev/null)" = 1 ] || continue
            udhcpc -q -n -f -i "$interface" -s /etc/udhcpc -t 4 -T 2 -A 1 >/dev/null 2>&1 && break
            say "No DHCP answer on $interface ($(cat "$SYS/class/net/$interface/address")); asking again."
        done
        [ -s "$RUN/rackstrap/net" ] && break
        round=$((round + 1))
        [ $((round % 10)) = 0 ] && say "No network yet: $(echo "${try:-no network card with a driver}" | tr '\n' ' ')has no link or no DHCP server."
        sleep 0.5
    done
}

# Seconds to wait before try number $1: 1 2 4 8 16 30 30 …
make_pause() {
    case $1 in 1) echo 1 ;; 2) echo 2 ;; 3) echo 4 ;; 4) echo 8 ;; 5) echo 16 ;; *) echo 30 ;; esac
}

# Does file $1 have the SHA-256 $2?
check_sha256() {
    [ -s "$1" ] && echo "$2  $1" | sha256sum -c -s
}

# One transfer of URL $1 to file $2, going on where an earlier one stopped; a server silent for 20 s is given up.
fetch() {
    wget -q -c -T 20 -O "$2" "$1"
}

# Fetch URL $1 to file $2 until its SHA-256 is $3. A broken transfer goes on where it stopped; wrong bytes start over.
# Five times wrong bytes: the server has another image than this boot was told about, which only a new boot cures.
run_fetch() {
    try=0 wrong=0
    while :; do
        reason=$(fetch "$1" "$2" 2>&1) && fetched=1 || fetched=0
        check_sha256 "$2" "$3" && return
        if [ "$fetched" = 1 ]; then
            rm -f "$2"
            wrong=$((wrong + 1)) reason="it is not the file with SHA-256 $3"
            [ "$wrong" -lt 5 ] || refuse "$1: $reason. The server's image has changed."
        elif echo "$reason" | grep -q '416'; then
            rm -f "$2"
        fi
        try=$((try + 1)) pause_s=$(make_pause "$try")
        say "Cannot fetch $1: ${reason:-the transfer stopped}. Try $((try + 1)) in $pause_s s."
        sleep "$pause_s"
    done
}

# The size in bytes of what is at URL $1, as its server says; 0 when it does not say.
find_size_bytes() {
    wget -S --spider -T 20 "$1" 2>&1 | tr -d '\r' | awk 'tolower($1) == "content-length:" { size = $2 } END { print size + 0 }'
}

# Is there memory for an image of $1 bytes beside a running system? Says what is missing, in MB, when not.
# 300 MB: measured need of the running live system and the installer, from boot to hand-over.
check_memory() {
    need_mb=$(($1 / 1048576 + 300))
    have_mb=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' "${MEMINFO:-/proc/meminfo}")
    [ "$have_mb" -ge "$need_mb" ] || echo "This machine has $have_mb MB of free memory; the image needs $need_mb MB."
}

# Fetch the image over HTTP into memory: both squashfs files.
run_fetch_image() {
    mkdir -p "$RUN/rackstrap/image"
    mount -t tmpfs -o mode=0700,size=90% image "$RUN/rackstrap/image"
    size_bytes=$(($(find_size_bytes "$IMAGE/root.squashfs") + $(find_size_bytes "$IMAGE/rackstrap.squashfs")))
    problem=$(check_memory "$size_bytes")
    [ -z "$problem" ] || refuse "$problem"
    say "Fetching $((size_bytes / 1048576)) MB from $IMAGE."
    run_fetch "$IMAGE/root.squashfs" "$RUN/rackstrap/image/root.squashfs" "${SHA256%%,*}"
    run_fetch "$IMAGE/rackstrap.squashfs" "$RUN/rackstrap/image/rackstrap.squashfs" "${SHA256##*,}"
}

# Lay squashfs files of folder $1, named by the other words with the uppermost first, over each other, with memory on top,
# at /newroot. Each is at a place of its own below /run/rackstrap; our code's is called layer there.
run_overlay() {
    folder=$1 lower=''
    shift
    for name in "$@"; do
        under=$RUN/rackstrap/$name
        [ "$name" != rackstrap ] || under=$RUN/rackstrap/layer
        mkdir -p "$under"
        mount -t squashfs -o ro,loop "$folder/$name.squashfs" "$under" || refuse "$name.squashfs cannot be mounted."
        lower=$lower${lower:+:}$under
    done
    mkdir -p "$RUN/rackstrap/writes"
    mount -t tmpfs -o mode=0755,size=50% writes "$RUN/rackstrap/writes"
    mkdir "$RUN/rackstrap/writes/upper" "$RUN/rackstrap/writes/work"
    mount -t overlay -o "lowerdir=$lower,upperdir=$RUN/rackstrap/writes/upper,workdir=$RUN/rackstrap/writes/work" \
        overlay /newroot || refuse "The image cannot be laid together."
}

# What the live system must do differently from an installed one, in /run, so that nothing of it reaches a disk.
render_live() {
    render_rules
    render_networks "$1"
}

# Keep every disk read-only and everything unassembled, also what is plugged in later.
render_rules() {
    mkdir -p "$RUN/udev/rules.d"
    # md and dm devices are the installer's own: nothing else makes any here.
    # An installed root that is handed over to without a reboot still has this /run: there, disks stay writable.
    cat >"$RUN/udev/rules.d/10-rackstrap-readonly.rules" <<-'RULES'
	TEST=="/etc/rackstrap/node.json", GOTO="rackstrap_end"
	TEST=="/etc/rackstrap/admin.json", GOTO="rackstrap_end"
	ACTION=="add", SUBSYSTEM=="block", ENV{DEVTYPE}=="disk", KERNEL!="loop*|ram*|zram*|sr*|md*|dm-*", ATTR{ro}=="0", PROGRAM="/usr/sbin/blockdev --setro $devnode"
	LABEL="rackstrap_end"
	RULES
    for rule in 11-dm-lvm 11-dm-mpath 56-dm-parts 56-dm-mpath 56-lvm 60-multipath 63-md-raid-arrays 64-btrfs \
        64-md-raid-assembly 69-bcache 69-dm-lvm 69-lvm 69-lvm-metad 69-md-clustered-confirm-device; do
        ln -sf /dev/null "$RUN/udev/rules.d/$rule.rules"
    done
}

# networkd for the live system: the card that we booted from keeps its lease, all others only listen.
render_networks() {
    mkdir -p "$RUN/systemd/network"
    [ -z "$1" ] || cat >"$RUN/systemd/network/10-rackstrap-boot.network" <<-NETWORK
	[Match]
	PermanentMACAddress=$1
	[Network]
	DHCP=ipv4
	LinkLocalAddressing=no
	IPv6AcceptRA=no
	LLDP=yes
	KeepConfiguration=yes
	[DHCPv4]
	ClientIdentifier=mac
	UseHostname=no
	NETWORK
    cat >"$RUN/systemd/network/20-rackstrap-other.network" <<-'NETWORK'
	[Match]
	Type=ether
	[Link]
	RequiredForOnline=no
	[Network]
	DHCP=no
	LinkLocalAddressing=no
	IPv6AcceptRA=no
	LLDP=yes
	NETWORK
}

# How many members of the array with this UUID are there, and how many it should have: "1 2".
find_members() {
    for block in "$SYS"/class/block/*; do
        mdadm --examine --export "/dev/${block##*/}" 2>/dev/null
    done | awk -F= -v uuid="$1" '/^MD_DEVICES=/ { devices = $2 } $0 == "MD_UUID=" uuid { seen++; want = devices }
        END { print seen + 0, want + 0 }'
}

# Assemble the one array with this UUID and no other, as soon as it is whole: a disk that is only slow must not fall out
# of its mirror. A missing half gets 8 s; then the array runs degraded.
run_array() {
    modprobe -a md_mod raid1
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
        load_modules
        members=$(find_members "$1")
        [ "${members% *}" != "${members#* }" ] || [ "$members" = "0 0" ] || break
        sleep 0.5
    done
    [ "${members% *}" = "${members#* }" ] || say "A half of the array $1 is missing: starting without it."
    mdadm --assemble /dev/md127 --config=partitions --uuid="$1" --run >/dev/null 2>&1
}

# Mount the installed root, given as root= has it, read-only at /newroot: systemd checks it, then makes it writable.
run_disk() {
    [ -z "$MD" ] || run_array "$MD"
    modprobe ext4 # mount tries only the filesystems that the kernel knows by now
    round=0
    while :; do
        load_modules
        case $1 in UUID=* | LABEL=*) device=$(findfs "$1" 2>/dev/null) ;; *) device=$1 ;; esac
        [ -n "$device" ] && mount -o ro "$device" /newroot 2>/dev/null && return
        round=$((round + 1))
        [ $((round % 20)) = 0 ] && say "Waiting for the disk with root=$1."
        [ $round -lt 240 ] || refuse "There is no disk with root=$1."
        sleep 0.25
    done
}
