"""A virtual rack: QEMU machines with real firmware, NICs, disks and BMCs, in a network namespace."""
