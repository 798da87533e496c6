#!/bin/sh
# Runs the TUI in the session that all consoles share: `session.sh COMMAND…`. One that dies is started again, with its reason;
# one that was left ends the session. What is installed meanwhile runs in processes of its own and goes on.
pause=1
while :; do
    began=$(date +%s)
    "$@"
    code=$?
    # Who waits for the first page need not wait longer.
    [ ! -p "${RACKSTRAP_SHOWN-}" ] || echo 1<>"$RACKSTRAP_SHOWN"
    [ "$code" -eq 0 ] && exit 0
    stty sane
    # One that was killed left its screen behind; one that ended by itself has cleared it, and told why.
    [ "$code" -gt 128 ] && printf '\033c'
    [ $(($(date +%s) - began)) -gt 60 ] && pause=1
    if [ "$code" -gt 128 ]; then reason="signal $((code - 128))"; else reason="exit code $code"; fi
    echo "Rackstrap's screen ended: $reason. What it had started goes on."
    [ -n "$RACKSTRAP_REASON" ] && [ -s "$RACKSTRAP_REASON" ] && tail -n 3 "$RACKSTRAP_REASON"
    if [ "$code" -eq 2 ]; then
        echo "Press Enter to try again."
        read -r _ || exit 2
    else
        echo "It starts again in $pause s."
        sleep "$pause"
        [ "$pause" -lt 30 ] && pause=$((pause * 2))
    fi
done
