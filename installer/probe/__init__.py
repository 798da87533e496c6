"""Find out what this machine is: `record` reads (effects), `parse` understands (pure), `identity` recognises."""

from typing import Final

FORMAT: Final = 1  # of a recording; another number is another shape
