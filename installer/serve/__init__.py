"""What nodes talk to: boot scripts, reports, orders; dnsmasq and nginx are started, watched and stopped here."""
