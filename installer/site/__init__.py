"""The site file: read it (`load_site`), check it (`check_site`), change it and keep its comments (`save_site`)."""

from installer.site.check import check_site
from installer.site.load import LoadedSite, load_site, parse_site
from installer.site.save import REMOVED, edit_site, save_site, save_text

__all__ = ["REMOVED", "LoadedSite", "check_site", "edit_site", "load_site", "parse_site", "save_site", "save_text"]
