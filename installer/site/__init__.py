"""The site file: read it (`load_site`), check it (`check_site`), change it and keep its comments (`save_site`)."""

from installer.site.check import check_site
from installer.site.load import LoadedSite, load_site, parse_site

__all__ = ["LoadedSite", "check_site", "load_site", "parse_site"]
