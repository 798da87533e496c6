"""What is looked at before anything starts: ports and DHCP servers on the segment."""
