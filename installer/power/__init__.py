"""Power, boot device and identify light of machines, through their BMCs or a person."""

from installer.power.power import Power, PowerState, PowerWish, make_power

__all__ = ["Power", "PowerState", "PowerWish", "make_power"]
