"""The desk of the real world: this machine, its disks and cables, the processes that serve and apply."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from installer.engine.folders import check_live
from installer.live.boot import Boot, find_boot
from installer.model.problems import RackstrapError
from installer.network.change import confirm_network, renew_dhcp, set_network
from installer.serve.verbs import find_serving, start_serving
from installer.wizard import around, bmcs, here, targets
from installer.wizard.asked import find_file, find_given, find_stamp, load_asked
from installer.wizard.bench import Bench, Outside
from installer.wizard.checking import Checking
from installer.wizard.draft import Draft, make_new_draft
from installer.wizard.keyboard import find_keyboard, find_keyboards, set_keyboard
from installer.wizard.launching import Installing, Launcher, make_environment, make_live_words
from installer.wizard.planning import PlaceFinder
from installer.wizard.view import Here, View
from installer.wizard.wishes import (
    AddBmc,
    Append,
    Apply,
    CheckAgain,
    ConfirmNetwork,
    Discover,
    ImportBmcs,
    InstallAdmin,
    OpenSite,
    RenewDhcp,
    Request,
    SaveReport,
    SaveSite,
    SetKeyboard,
    SetNetwork,
    SetPassword,
    StopApplying,
    Wish,
)


class LiveDesk:
    """See installer.wizard.desk.Desk.

    `interface`: the one on the admin network, None to find it by the admin address. `boot`: how this machine was started,
    None to look.
    """

    def __init__(
        self,
        state: Path,
        image: Path,
        site: Path | None,
        roles_dirs: Sequence[Path] = (),
        interface: str | None = None,
        boot: Boot | None = None,
    ) -> None:
        self._boot: Final = boot or find_boot()
        self._state: Final = state.absolute()
        check_live(self._state)
        self._image: Final = image.absolute()
        self._interface: Final = interface
        words = [*make_live_words(), "--image", str(self._image), *(["--interface", interface] if interface else [])]
        launcher = Launcher(self._state, words, make_environment(roles_dirs))
        installing = None
        if self._boot.source == "medium":
            words = [*make_live_words("install"), "--image", str(self._image)]
            installing = Installing(self._state, words, make_environment(roles_dirs), "install")
        place = PlaceFinder(self._state, self._image, interface or "")
        self.bench: Final = Bench(self._state, launcher, place, roles_dirs, installing)
        self.bench.open(site)
        self._prober: Final = here.Prober(self._state)
        self._around: Final = around.Around() if self._boot.source == "medium" else None
        self._seen = (-1, -1)  # numbers of prober and surroundings
        self._is_new = self.bench.draft is None  # nothing was decided yet: the draft follows what the probe finds
        self._hostname: Final = here.find_hostname()
        self._version: Final = here.find_version(self._image)
        self._fingerprint: Final = here.find_fingerprint()
        self._keyboards: Final = find_keyboards()
        self._checking: Final = Checking()
        self._checks_at = 0.0
        self._asked_stamp = find_stamp(self._state)
        self._followed = 0
        self._outside = self._look_outside()

    def look(self, wants: frozenset[str]) -> View:
        self._take_asked()
        self._follow()
        if self._count() != self._seen:
            self._outside = self._look_outside()
        self._aim(wants)
        checks, self._checks_at = self._checking.latest()
        return self.bench.look(replace(self._outside, checks=checks, checks_at=self._checks_at), wants)

    def has_news(self) -> bool:
        is_moved = self._count() != self._seen or self._checking.latest()[1] != self._checks_at
        is_asked = find_stamp(self._state) != self._asked_stamp
        is_given = self._is_new and find_given(self._state)[1] != self._followed
        return is_moved or is_asked or is_given or self.bench.has_news()

    def _follow(self) -> None:
        """As long as nothing was decided here, show the site that is being carried out, or was: nobody may have typed it."""
        path, stamp = find_given(self._state)
        if not self._is_new or stamp == self._followed:
            return
        self._followed = stamp
        with contextlib.suppress(RackstrapError):
            self.bench.set_draft(replace(self.bench.read_site(path), file=find_file(path)))

    def _count(self) -> tuple[int, int]:
        return self._prober.number, self._around.number if self._around is not None else 0

    def _take_asked(self) -> None:
        """Go on from what a headless start has handed over meanwhile, unless something was decided here already."""
        stamp = find_stamp(self._state)
        if stamp == self._asked_stamp:
            return
        self._asked_stamp = stamp
        asked = load_asked(self._state)
        if asked is not None and self._is_new:
            self._is_new = False
            self.bench.open_site(asked.site)

    def _aim(self, wants: frozenset[str]) -> None:
        """Let preflight look at what the draft decides, while a page wants to know and nothing of ours answers DHCP there."""
        site = self.bench.draft.site if self.bench.draft is not None else None
        if "preflight" in wants and site is not None:
            self._checking.aim(site, self._prober.machine, self._interface or "")
        elif "preflight" not in wants:
            self._checking.rest()

    def find_page(self) -> str:
        """Where the last session was; on an installed admin node the dashboard, for that is what it is there for."""
        if self._boot.source != "disk":
            return self.bench.page
        view = self.look(frozenset())
        nodes = [node for node in view.status.nodes if node.name]
        is_over = view.running is None and all(node.state in ("ready", "installed") for node in nodes)
        return "done" if is_over and (nodes or self.bench.page != "deploy") else "deploy"

    def keep(self, draft: Draft, page: str) -> None:
        self._is_new = self._is_new and self.bench.draft is not None and draft.text == self.bench.draft.text
        self.bench.keep(draft, page)

    def carry_out(self, wish: Wish) -> str:  # noqa: PLR0911, PLR0912 - one way for each wish
        match wish:
            case Append():
                return self.bench.append(wish)
            case Request():
                return self._ask(wish)
            case Discover():
                return self.bench.launch("discover")
            case Apply():
                return self.bench.launch("apply")
            case InstallAdmin():
                return self.bench.launch_installation()
            case StopApplying():
                return self.bench.launcher.stop()
            case SaveSite() | OpenSite() | SaveReport():
                return self._move_file(wish)
            case ImportBmcs():
                return bmcs.import_bmcs(self.bench.watcher, Path(wish.path).expanduser())
            case AddBmc():
                return bmcs.add_bmc(self.bench.watcher, wish)
            case SetPassword():
                return self.bench.set_password(wish)
            case CheckAgain():
                self._checking.again()
                return "looking again"
            case SetKeyboard():
                return set_keyboard(wish.layout, self._keyboards)
            case SetNetwork() | ConfirmNetwork() | RenewDhcp():
                return self._change_network(wish)

    def close(self) -> None:
        self._prober.close()
        self._checking.close()
        self.bench.close()

    def _look_outside(self) -> Outside:
        self._seen = self._count()
        machine, volumes = self._prober.machine, self._prober.volumes
        offers = self._around.offers if self._around is not None else ()
        if self._is_new and not self._followed:
            self.bench.set_draft(make_new_draft(machine, self.bench.roles))
        return Outside(
            Here(
                machine=machine,
                hostname=self._hostname,
                ssh=here.render_ssh_lines(machine, self._fingerprint),
                keyboard=find_keyboard(),
                keyboards=self._keyboards,
                volumes=volumes,
                continuing=(*around.make_offered(offers), *targets.make_continuing(volumes)),
                state_dir=str(self._state),
                boot_disks=here.find_boot_disks(machine),
                confirm_by=self._prober.network.confirm_by,
                methods=self._prober.network.methods,
                boot=self._boot,
                reading_disks=self._prober.is_reading,
                version=self._version,
                on_disks=around.make_on_disks(self._around.installed, machine) if self._around is not None else (),
                warnings=around.make_warnings(offers),
            )
        )

    def _change_network(self, wish: SetNetwork | ConfirmNetwork | RenewDhcp) -> str:
        """Each answers at once; what was set goes back by itself unless it is confirmed."""
        site = self.bench.draft.site if self.bench.draft is not None else None
        try:
            match wish:
                case SetNetwork() if site is not None:
                    return set_network(site, self._prober.find_named(), self._state)
                case SetNetwork():
                    raise RackstrapError("the site file has errors: it names no address yet", "correct them first")
                case ConfirmNetwork():
                    return confirm_network(self._state)
                case RenewDhcp():
                    return renew_dhcp(wish.nic)
        finally:
            self._prober.look_at_network()

    def _ask(self, wish: Request) -> str:
        if not find_serving(self._state):
            start_serving(self._state, self._image, self._interface)
        return self.bench.ask(wish)

    def _move_file(self, wish: SaveSite | OpenSite | SaveReport) -> str:
        volumes = self._prober.volumes
        if isinstance(wish, SaveSite):
            said = targets.save_site(self.bench, volumes, wish)
            self._prober.look_again()
            return said
        if isinstance(wish, OpenSite):
            self._is_new = False
            if wish.target.startswith(around.OFFER) and self._around is not None:
                return targets.open_offer(self.bench, self._around.find_offer(wish.target))
            return targets.open_site(self.bench, volumes, wish.target)
        said = targets.save_report(self.look(frozenset({"plan"})), volumes, wish)
        self.bench.keeper.note_report(said)
        return said
