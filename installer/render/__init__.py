"""Templates, and the grammars that let a value into them: dnsmasq, nginx, iPXE, GRUB, networkd."""
