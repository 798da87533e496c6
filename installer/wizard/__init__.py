"""The wizard without a terminal: drafts of the site file, pages made of values, wishes. TUI and plain mode both show these."""
