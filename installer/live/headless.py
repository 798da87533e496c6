"""A start that nobody watches: find the site file, check it, set the network, have the work done; say everything, give up never.

Each round ends in a sentence and a wait. A file that is corrected begins the next round at once; nothing is touched before the
file has no errors. `once` runs one round, for its exit code.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from installer.live.acts import STOPS, Acts
from installer.live.asking import ask_sections, is_answered, take_back
from installer.live.decided import find_last_news, has_news
from installer.live.given import Found, save_note, take
from installer.live.resuming import Begun, find_begun, find_begun_of
from installer.live.sources import Absent, Look, Sighted, Wrong, choose
from installer.live.telling import Telling
from installer.model.problems import RackstrapError
from installer.model.site import Site
from installer.site.verbs import render_problem

FIND_WAITS_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # then 30 s again and again
AGAIN_S: Final = 30.0  # until a server is asked again whether its file has changed
AGAIN_HERE_S: Final = 5.0  # the same for a volume or a path
ANSWER_EVERY_S: Final = 1.0
SETTLE_ROUNDS: Final = 3  # a USB volume turns up within some seconds; DHCP is asked after that
DONE: Final = 0
WRONG: Final = 1
UNREADABLE: Final = 2
AT_GATE: Final = 3
PIN: Final = "Pin it: rackstrap.site_sha256= or rackstrap.site_cert=; or bring it on a volume labelled RACKSTRAP."
STAYS: Final = "SSH stays open; a corrected site file is taken up by itself."
NEEDS: Final = "Bring a FAT volume labelled RACKSTRAP with site.yaml on it, or press Enter and decide here."
ENDED: Final = 130  # by a signal, as systemd ends everything at a hand-over
ENDS: Final = {
    DONE: "Done.",
    WRONG: "Stopped (exit code 1): see what is wrong above.",
    UNREADABLE: "Stopped (exit code 2): see what is missing above.",
    AT_GATE: "Stopped at a gate (exit code 3): it waits for a person's consent, nothing was erased without it.",
    4: "Some machines failed (exit code 4); the others are done.",
    ENDED: "The work was told to end: this machine goes on from its disk, or stops.",
}


@dataclass(slots=True)
class Headless:
    """`look`: the places in their order; its argument: whether removable volumes have had their time to turn up.

    `goes_on`: the work is done again for the same file once something was decided: an apply from memory is, an installation not.
    """

    state: Path
    look: Callable[[bool], Iterable[Look]]
    acts: Acts
    telling: Telling
    once: bool = False
    goes_on: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)
    waits_s: tuple[float, ...] = FIND_WAITS_S
    again_s: float | None = None
    _said: set[str] = field(default_factory=set)
    _seen: int = 0  # the last event that was news when the work ended
    _is_settled: bool = False
    _has_worked: bool = False  # the work itself has run: it is not run again for the same file

    def run(self) -> int:
        """Rounds until one has done the work. Returns the exit code."""
        while True:
            found = self._find()
            if found is None:
                return UNREADABLE
            sighted = found if isinstance(found, Sighted) else None
            try:
                code = self._go_on(found, None) if isinstance(found, Begun) else self._carry_out(found)
            except RackstrapError as error:
                self._head(error.message, error.hint)
                code = error.exit_code
            if code == DONE or self.once:
                return code
            if not self._wait_for_change(sighted):
                return code

    # What is said once is not said again at every look, only after something has changed.

    def _head(self, text: str, *more: str) -> None:
        if (key := "\n".join((text, *more))) not in self._said:
            self._said.add(key)
            self.telling.head(text)
            self.telling.tell(*more)

    def _tell(self, *texts: str) -> None:
        if (key := "\n".join(texts)) not in self._said:
            self._said.add(key)
            self.telling.tell(*texts)

    def _find(self) -> Sighted | Begun | None:
        """The site file; None when told to stop, or where once is enough. What is tried is said.

        An installation that was begun needs no file: its own is in the state. It is waited for as long as a volume needs.
        """
        for number, wait_s in enumerate(itertools.chain(self.waits_s, itertools.repeat(self.waits_s[-1]))):
            self._is_settled = self._is_settled or self.once or number >= SETTLE_ROUNDS
            sighted, passed = choose(self.look(self._is_settled))
            if sighted is not None:
                self._tell(f"Site file: {sighted.says}")
                return sighted
            if self._is_settled and (begun := self._find_begun()) is not None:
                return begun
            self._tell_passed(passed, wait_s)
            if self.once or self.stopped.wait(wait_s):
                return None
        return None

    def _find_begun(self) -> Begun | None:
        try:
            return find_begun(self.state)
        except RackstrapError as error:
            self._tell(error.message, error.hint)
            return None

    def _tell_passed(self, passed: tuple[Absent | Wrong, ...], wait_s: float) -> None:
        wrong = [one for one in passed if isinstance(one, Wrong)]
        if wrong:
            self._head(f"No site file. {wrong[0].says}", wrong[0].hint)
            self._tell(f"Looking again {'in' if wait_s < self.waits_s[-1] else 'every'} {wait_s:g} s.")
        else:
            self._head(f"No site file yet: {'; '.join(one.says for one in passed)}.", NEEDS)

    def _carry_out(self, sighted: Sighted) -> int:
        """One round with this file. Raises RackstrapError."""
        begun = find_begun_of(self.state, sighted)
        if begun is not None:
            return self._go_on(begun, sighted)
        found = take(sighted, self.state)
        self._tell(*(render_problem(problem) for problem in found.problems))
        if found.site is None:
            count = sum(problem.severity == "error" for problem in found.problems)
            what = "an error" if count == 1 else f"{count} errors"
            self._head(
                f"The site file has {what}; nothing was touched.", "Correct it where it is; it is looked at again by itself."
            )
            return WRONG
        save_note(self.state, found)
        self._judge_trust(found, found.site)
        if found.site.interactive:
            return self._leave_to_person(found, found.site, sighted)
        self._prepare(found.site)
        return self._work(found.path, found.beside)

    def _go_on(self, begun: Begun, sighted: Sighted | None) -> int:
        """With an installation that was begun. It needs no network: what is wrong there is told, and stops nothing."""
        self._tell(f"The installation of {begun.site.name} that was begun goes on.")
        take_back(self.state)  # what was left to a person was answered before it could begin
        if sighted is not None and sighted.is_trusted:
            self.acts.let_in(begun.site)
        try:
            self._prepare(begun.site)
        except RackstrapError as error:
            self._tell(error.message, error.hint)
        return self._work(begun.path, begun.beside)

    def _judge_trust(self, found: Found, site: Site) -> None:
        if found.doubt:
            lost = "its erase: counts as no, and its" if found.withheld else "its"
            self._tell(f"Nobody vouches for this file: {found.doubt}. So {lost} keys and password open no login here.", PIN)
        elif self.acts.let_in(site):
            self._tell("SSH now takes the site file's keys and password.")

    def _prepare(self, site: Site) -> None:
        """Look at the segment, then set the network. Raises RackstrapError; the network is then as it was."""
        self._head(f"Setting the network of {site.admin.hostname}.")
        checks = self.acts.check(site)
        stops = [check for check in checks if check.state == "FAIL" and check.name in STOPS]
        for check in stops[1:] if stops else checks:
            self._tell(f"{check.name}: {check.found}; {check.remedy}")
        if stops:
            raise RackstrapError(f"Stopped before anything was changed: {stops[0].found}", stops[0].remedy, exit_code=WRONG)
        self._tell(self.acts.set_network(site))

    def _work(self, path: Path, beside: Path) -> int:
        self.telling.head("The work has begun.")
        self._has_worked = True
        code = self.acts.run(path, beside, self.telling.tell)
        self._seen = find_last_news(self.state) if self.goes_on else 0
        self.telling.head(ENDS.get(code, f"It ended with {code}."))
        if code not in (DONE, ENDED):
            self.telling.tell(STAYS)
        return code

    def _leave_to_person(self, found: Found, site: Site, sighted: Sighted) -> int:
        """Hand the sections to the TUI, and wait until it has begun the work, or the file was changed."""
        ask_sections(self.state, site, found.path)
        self._head(f"The site file leaves to you: {', '.join(site.interactive)}. Press Enter.")
        look_at = time.monotonic() + self._find_again_s(sighted)
        while not self.once and not self.stopped.wait(min(ANSWER_EVERY_S, self._find_again_s(sighted))):
            if is_answered(self.state):
                take_back(self.state)
                self.telling.head("Answered: the session carries it on from here.")
                return DONE
            if time.monotonic() > look_at:
                if self._is_changed(sighted):
                    take_back(self.state)
                    break
                look_at = time.monotonic() + self._find_again_s(sighted)
        return AT_GATE

    def _wait_for_change(self, sighted: Sighted | None) -> bool:
        """Until the next round is worth its while; False when told to stop.

        What failed before the work is tried again by itself: a cable may have been plugged in. The work is not: it has tried.
        """
        while not self.stopped.wait(self._find_again_s(sighted)):
            if self._is_changed(sighted):
                self._said.clear()
                self._has_worked = False
                self._tell("The site file has changed.")
                return True
            if not self._has_worked:
                return True
            if self.goes_on and has_news(self.state, self._seen):
                self.telling.tell("Something was decided, or a machine has come: it goes on.")
                return True
        return False

    def _is_changed(self, sighted: Sighted | None) -> bool:
        """Whether another file is found now; that none is found is no change: the volume may have been pulled out."""
        now, _ = choose(self.look(True))
        return now is not None and now != sighted

    def _find_again_s(self, sighted: Sighted | None) -> float:
        if self.again_s is not None:
            return self.again_s
        is_far = sighted is None or sighted.source == "dhcp" or "://" in sighted.says
        return AGAIN_S if is_far else AGAIN_HERE_S
