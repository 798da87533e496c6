"""This machine's own network: what the site says of it, set so that it goes back by itself unless it is confirmed."""
