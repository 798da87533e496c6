# shellcheck shell=bash
# How build_iso.sh runs what it runs: one stage after the other, ended with it, never silently. Sourced by it, with $cache set.
# shellcheck disable=SC2154

# refuse MESSAGE REMEDY: end with words. What was built until then stays, whole stages only.
refuse() {
    told=1
    printf 'build_iso.sh: %s\n  %s\n' "$1" "$2" >&2
    exit 2
}

# What is started here ends with this script, however that ends, and a signal is heard while it runs.
run() {
    setpriv --pdeathsig KILL "$@" &
    wait $!
}

# stop CODE NAME: a signal came.
stop() {
    trap '' INT TERM HUP
    # The shell's own list has also what was started this very moment.
    { jobs -p | xargs -r kill -KILL && wait; } 2>/dev/null || true
    told=1
    printf 'build_iso.sh: stopped by %s. Started again, it goes on with the stage that it was in.\n' "$2" >&2
    exit "$1"
}

# leave CODE: what failed has told its problems (1) or why it could not go on (2).
leave() {
    [ "$1" -gt 2 ] || told=1
    exit "$1"
}

# Never silently: a command that failed may have had no words of its own.
finish() {
    [ -z "$fresh" ] || rm -f "$fresh"
    [ "$1" = 0 ] || [ -n "$told" ] || refuse "it could not go on: something ended with code $1" "What is above says why."
}

told='' fresh=''
trap 'finish $?' EXIT
trap 'stop 130 SIGINT' INT
trap 'stop 143 SIGTERM' TERM
trap 'stop 129 SIGHUP' HUP

# try_folder FOLDER REMEDY: make it where it is not there, and write to it.
try_folder() {
    { mkdir -p "$1" && touch "$1/.rackstrap-try" && rm "$1/.rackstrap-try"; } || refuse "cannot write to $1" "$2"
}

# key WORD… -- FILE…: what a stage's result depends on, as 16 hex digits.
key() {
    local words=
    while [ "$1" != -- ]; do words="$words $1" && shift; done && shift
    { echo "$words" && find "$@" -type f -print0 | sort -z | xargs -0 sha256sum &&
        find "$@" \( -type f -perm -100 -o -type l \) -printf '%p %l\n' | sort; } |
        sha256sum | cut -c1-16
}

# remove NAME: what builds left of this stage that were stopped, or are outdated. A folder is renamed before it is removed.
remove() { find "$cache" -maxdepth 1 -name "$1-*.partial" -exec rm -rf --one-file-system {} +; }

free_mb() { df --output=avail -BM "$cache" | tr -dc 0-9; }

# stage NAME MB KEY COMMAND…: run COMMAND with the stage's directory as its last argument, unless that is there already, and
# leave the directory's name in variable NAME. MB: the room that it needs.
stage() {
    local dir=$cache/$1-$3 begin=$SECONDS old
    if [ ! -d "$dir" ]; then
        echo "build_iso.sh: $1 …" >&2
        remove "$1"
        [ "$(free_mb)" -ge "$2" ] || refuse "$cache has $(free_mb) MB free; stage $1 needs $2 MB" "make room there"
        mkdir "$dir.partial"
        # What a stage mounts is seen by nobody else and goes with it, and so do its processes and their shared memory. The lock
        # is kept from it: mmdebstrap names its files by number to a shell that knows only nine.
        run unshare --pid --mount-proc --kill-child sh -c 'mount -t tmpfs shm /dev/shm && exec "$@"' stage "${@:4}" "$dir.partial" >&2 9>&- || {
            # What is above does not always say that.
            [ "$(free_mb)" -ge 32 ] || refuse "stage $1 failed: the disk with $cache is full" "make room there, and start this again"
            refuse "stage $1 failed" "What is above says why. When that is put right, start this again: it goes on with this stage."
        }
        mv "$dir.partial" "$dir"
        for old in "$cache/$1"-*; do [ "$old" = "$dir" ] || mv "$old" "$old.partial"; done
        remove "$1"
        echo "build_iso.sh: $1 took $((SECONDS - begin)) s" >&2
    fi
    declare -g "$1=$dir"
}
