"""HDF5 files that no reader may trust, made by the hundred; and a program that reads a folder of them.

python tests/data/hdf5_damage.py FILE ... reads the files, and writes attributes to them, with bounded memory
and time. It prints one line for each: its name, a tab, and "read" or the error. What is neither ends the
program.
"""

import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np

from fsrcnn.data import hdf5
from fsrcnn.errors import InputError

SCALE = 2
MEMORY = 1 << 30  # bytes that reading may take, far above what the small files here need
SECONDS = 3  # of processor time for a file


def good(path: Path, layout: str, **storage: object) -> None:
    """A file as it should be, in any layout."""
    random = np.random.default_rng(0)
    if layout == "pictures":
        with h5py.File(path, "w") as file:
            for i in range(6):
                pixels = random.integers(256, size=(16, 12, 3) if i % 2 else (16, 12), dtype=np.uint8)
                file.create_dataset(f"pictures/{i}", data=pixels, **storage)
                file["pictures"][str(i)].attrs.update(image=np.bytes_(f"photo {i}", "utf-8"))
            file.attrs.update(layout=np.bytes_(layout, "utf-8"))
            file.attrs.update(source=np.bytes_(b"91-image"), made=np.bytes_(b"for a test"))
        return
    lr = random.uniform(16, 235, (6, 8, 8)).astype(np.float32)
    hr = random.uniform(16, 235, (6, 16, 16)).astype(np.float32)
    with h5py.File(path, "w") as file:
        for name, data in (("lr", lr), ("hr", hr)):
            if layout == "patches":
                file.create_dataset(name, data=data, **storage)
            else:
                for i, image in enumerate(data):
                    file.create_dataset(f"{name}/{i}", data=image, **storage)
                    file[name][str(i)].attrs.update(
                        image=np.bytes_(f"photo {i}", "utf-8"), variant=np.bytes_(b"0.9 180")
                    )
        file.attrs.update(scale=SCALE, layout=np.bytes_(layout, "utf-8"))
        file.attrs.update(source=np.bytes_(b"91-image"), made=np.bytes_(b"for a test"))


def truncated(data: bytes, count: int) -> Iterator[bytes]:
    """Cut off at `count` places from the first byte to the last but one."""
    for end in np.linspace(0, len(data) - 1, count, dtype=int):
        yield data[:end]


def lost(data: bytes, count: int) -> Iterator[bytes]:
    """A block of zeros, as a disk's lost one reads, of 16 to 1024 bytes at `count` places."""
    random = np.random.default_rng(2)
    for start in np.linspace(0, len(data) - 1, count, dtype=int):
        end = min(start + (16 << int(random.integers(7))), len(data))
        yield data[:start] + bytes(end - start) + data[end:]


def flipped(data: bytes, count: int) -> Iterator[bytes]:
    """One to eight bytes replaced, more often among the structures than in the numbers."""
    random = np.random.default_rng(1)
    structure = [i for i in range(0, len(data), 64) if data[i : i + 64].count(0) > 8]
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(random.integers(1, 9)):
            if random.random() < 0.8:
                place = int(random.choice(structure)) + int(random.integers(64))
            else:
                place = int(random.integers(len(data)))
            changed[min(place, len(data) - 1)] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.integers(256)])
        yield bytes(changed)


def crafted(folder: Path, outside: Path) -> None:
    """Write files that are whole but not what they should be, each under a name that says why.

    `outside` is what those refer to that refer to something outside themselves.
    """
    y = {"lr": np.full((8, 8), 100, np.float32), "hr": np.full((16, 16), 100, np.float32)}

    def new(name: str) -> h5py.File:
        return h5py.File(folder / f"{name}.h5", "w")

    def images(name: str, **changed: object) -> None:
        with new(name) as file:
            for side, image in (y | changed).items():
                file[f"{side}/0"] = image

    for side in y:
        for value in (np.nan, np.inf, -np.inf, 1e30, -1e30, 384, -129):
            for dtype in ("f2", "f4", "f8"):
                bad = y[side].astype(dtype)
                with np.errstate(over="ignore"):
                    bad[3, 4] = value
                images(f"value-{value}-{dtype}-{side}", **{side: bad})
        for dtype in ("S3", "i1", "i4", "i8", "c8", "?", "V4", "f4,f4", h5py.string_dtype(), h5py.ref_dtype):
            with new(f"dtype-{dtype}-{side}".replace("/", "")) as file:
                for one, image in y.items():
                    file.create_dataset(f"{one}/0", image.shape, dtype if one == side else "f4")
        for shape in (
            (),
            (0,),
            (8,),
            (0, 8),
            (8, 0),
            (8, 8, 1),
            (1,) * 32,
            (7, 8),
            (8, 7),
            (16, 8),
            (24, 24),
        ):
            images(f"shape-{shape}-{side}", **{side: np.full(shape, 100, np.float32)})
        images(f"null-{side}", **{side: h5py.Empty("f4")})
        for n in (0, 1, 3):
            with new(f"count-{n}-{side}") as file:
                for one, image in y.items():
                    file[one] = np.stack([image] * 2)[: n if one == side else 2] if n < 3 else image
        for names in ([], ["1"], ["0", "2"], ["0", "00"], ["0", "x"], ["-1", "0"], ["9" * 5000]):
            with new(f"names-{'-'.join(names)[:9]}-{side}") as file:
                for one, image in y.items():
                    for name in names if one == side else ["0"]:
                        file[f"{one}/{name}"] = image
        for what, link in {
            "external": h5py.ExternalLink(outside, "lr"),
            "missing": h5py.ExternalLink("none.h5", "lr"),
            "loop": h5py.SoftLink(f"/{side}/0"),
            "dangling": h5py.SoftLink("/nowhere"),
            "soft": h5py.SoftLink("/kept"),
        }.items():
            for whole in (True, False):
                with new(f"link-{what}-{'whole' if whole else 'member'}-{side}") as file:
                    file["kept"] = y[side]
                    for one, image in y.items():
                        if one != side:
                            file[f"{one}/0"] = image
                    file[side if whole else f"{side}/0"] = link
        with new(f"circle-{side}") as file:
            for one, image in y.items():
                file[f"{one}/0"] = image
            del file[side]["0"]
            file[side]["0"] = file["/"]
        with new(f"raw-{side}") as file:
            for one, image in y.items():
                elsewhere = [(outside, 0, h5py.h5f.UNLIMITED)] if one == side else None
                file.create_dataset(f"{one}/0", image.shape, "f4", external=elsewhere)
        for growing in (True, False):
            with new(f"virtual-{growing}-{side}") as file:
                layout = h5py.VirtualLayout((8, 8), "f4", (None, 8) if growing else None)
                source = h5py.VirtualSource(outside, "lr", (8, 8), "f4", (None, 8) if growing else None)
                layout[: h5py.h5s.UNLIMITED if growing else None] = source[
                    : h5py.h5s.UNLIMITED if growing else None
                ]
                for one, image in y.items():
                    if one != side:
                        file[f"{one}/0"] = image
                file.create_virtual_dataset(f"{side}/0", layout)
    picture = np.full((8, 8, 3), 100, np.uint8)
    for dtype in ("f4", "u2", "i1", "S3", "?", h5py.string_dtype()):
        with new(f"picture-dtype-{dtype}".replace("/", "")) as file:
            file.create_dataset("pictures/0", (8, 8, 3), dtype)
    for shape in ((), (8,), (0, 8, 3), (8, 8, 0), (8, 8, 1), (8, 8, 4), (1, 8, 8, 3)):
        with new(f"picture-shape-{shape}") as file:
            file["pictures/0"] = np.full(shape, 100, np.uint8)
    for names in ([], ["1"], ["0", "00"], ["9" * 5000]):
        with new(f"picture-names-{'-'.join(names)[:9]}") as file:
            file.create_group("pictures")
            for name in names:
                file[f"pictures/{name}"] = picture
    with new("picture-plain") as file:
        file["pictures"] = picture
    with new("picture-deep") as file:
        file["pictures/0/deep"] = picture
    with new("picture-link") as file:
        file["pictures/0"] = h5py.ExternalLink(outside, "pictures/0")
    with new("picture-circle") as file:
        file.create_group("pictures")["0"] = file["/"]
    with new("picture-raw") as file:
        file.create_dataset("pictures/0", (8, 8, 3), "u1", external=[(outside, 0, h5py.h5f.UNLIMITED)])
    for storage in ({}, {"chunks": (64, 64, 3)}, {"chunks": (64, 64, 3), "compression": "gzip"}):
        with new(f"picture-huge-{len(storage)}") as file:
            data = file.create_dataset("pictures/0", (1 << 20, 1 << 20, 3), "u1", **storage)
            if storage:
                data[:64, :64] = 100
    with new("picture-repeated") as file:
        file["pictures/0"] = picture.repeat(64, 0).repeat(64, 1)
        for i in range(1, 1000):
            file[f"pictures/{i}"] = file["pictures/0"]
    for side in (1 << 14, 1 << 20, 1 << 28):
        for storage in ({}, {"chunks": (64, 64)}, {"chunks": (64, 64), "compression": "gzip"}):
            with new(f"huge-{side}-{len(storage)}") as file:
                for one, times in (("lr", 1), ("hr", SCALE)):
                    data = file.create_dataset(f"{one}/0", (side * times,) * 2, "f4", **storage)
                    if storage:
                        data[:64, :64] = 100
    packed = {"maxshape": (None,) * 3, "compression": "gzip", "compression_opts": 9}
    with new("bomb") as file:  # far less in the file than it unpacks to
        for one, side in (("lr", 500), ("hr", 1000)):
            data = file.create_dataset(one, (64, side, side), "f4", chunks=(1, side, side), **packed)
            data[:2] = 100
    with new("chunk") as file:  # a chunk far larger than its dataset
        for one, side in (("lr", 8), ("hr", 16)):
            file.create_dataset(one, (2, side, side), "f4", chunks=(1, 2048, 2048), **packed)[:] = 100
    with new("repeated") as file:  # one dataset under many names
        file["lr/0"], file["hr/0"] = y["lr"].repeat(32, 0).repeat(32, 1), y["hr"].repeat(32, 0).repeat(32, 1)
        for i in range(1, 1000):
            for one in y:
                file[f"{one}/{i}"] = file[f"{one}/0"]
    whole_file, image = ("source", "made", "layout", "scale"), ("image", "variant")
    values = {
        "none": None,
        "number": np.float64(2.5),
        "numbers": [1, 2, 3],
        "many": np.zeros(4000),
        "variable": "of variable length",
        "variables": ["of variable", "length"],
        "lines": np.bytes_(b"two\nlines"),
        "bytes": np.bytes_(b"\xff\xfe"),
        "texts": np.array([b"one", b"two"]),
        "empty": h5py.Empty("S3"),
    }
    for name in whole_file + image:
        for what, value in values.items():
            if value is None and name in image:
                continue  # which may be missing
            path = folder / f"attribute-{name}-{what}.h5"
            good(path, "images")
            with h5py.File(path, "r+") as file:
                attributes = file["lr/0"].attrs if name in image else file.attrs
                del attributes[name]
                if value is not None:
                    attributes[name] = value
            if what.startswith("variable"):  # and with the heap of such texts lost, which hangs a reader
                data = path.read_bytes()
                start = data.index(b"GCOL") + 16  # after the header of the heap
                lost = folder / f"attribute-{name}-{what}-lost.h5"
                lost.write_bytes(data[:start] + bytes(512) + data[start + 512 :])


def read(path: Path) -> None:
    """Everything that the project reads of a file, by whichever reader fits it."""
    found = hdf5.describe(path, SCALE)
    if found.layout == "pictures":
        images = hdf5.read_pictures(path)
    else:
        reader = hdf5.read_pairs if found.layout == "images" else hdf5.read_patches
        images = reader(path, SCALE, srcnn=found.srcnn)
    for _ in images:
        pass
    hdf5.attributes(path)


def main(paths: list[Path]) -> None:
    """Read the files and say what came of each."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for path in paths:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # then SIGPROF ends the process, also within HDF5
        print(path.name, end="\t", flush=True)
        try:
            read(path)
            outcome = "read"
        except InputError as error:
            outcome = str(error)
        with suppress(InputError):  # what is downloaded is written to before it is read as a whole
            hdf5.annotate(path, SCALE, source="91-image", made="for a test")
        print(outcome, flush=True)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
