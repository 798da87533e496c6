"""The admin machine as the ISO starts it: how it was started, which site file it was given, and what its consoles say."""
