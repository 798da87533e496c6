"""One module a page: `make_NAME_page(view, subject)`, pure. A section, role or stage added later needs no front-end's code."""
