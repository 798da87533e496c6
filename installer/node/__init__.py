"""What runs on a blank node: the agent, disk layout, unpacking, boot loader, hand-over. The standard library only."""
