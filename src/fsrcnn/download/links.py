"""The published links to HDF5 files, one for each set and scale."""

HOST = "https://www.dropbox.com/s"
# "fsrcnn" holds the layout this network needs; "srcnn" are the links in wider circulation, whose files
# have the older network's layout and are rebuilt on arrival.
LINKS: dict[str, dict[str, dict[int, str]]] = {
    "fsrcnn": {
        "91-image": {2: "01z95js39kgw1qv", 3: "qx4swlt2j7u4twr", 4: "vobvi2nlymtvezb"},
        "Set5": {2: "4kzqmtqzzo29l1x", 3: "kyhbhyc5a0qcgnp", 4: "ihtv1acd48cof14"},
    },
    "srcnn": {
        "91-image": {2: "2hsah93sxgegsry", 3: "curldmdf11iqakd", 4: "22afykv4amfxeio"},
        "Set5": {2: "r8qs6tp395hgh8g", 3: "58ywjac4te3kbqq", 4: "0rz86yn3nnrodlb"},
    },
}


def published(links: str, name: str, scale: int) -> str | None:
    """The link to a set's HDF5 file at this scale, or None where none is published.

    `links` is "fsrcnn" or "srcnn".
    """
    ids = LINKS[links].get(name)
    return f"{HOST}/{ids[scale]}/{name}_x{scale}.h5?dl=1" if ids else None
