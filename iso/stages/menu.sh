#!/bin/bash
# Print boot file $1 with its places filled in. ID names the medium, SERIAL is its serial console (ttyS0,115200).
set -euo pipefail
unit=${SERIAL%%,*} speed=${SERIAL#*,}
sed -e "s/@ID@/$ID/g" -e "s/@UNIT@/${unit#ttyS}/g" -e "s/@SPEED@/$speed/g" \
    -e "s/@CONSOLE@/console=tty0 console=$unit,${speed}n8/g" -e "s/@MEMTEST@/$unit,$speed/g" "$1"
