"""Which family of released networks suits a picture or clip, by what its file says of its compression."""

from typing import Literal, NamedTuple

from fsrcnn.limits import Family
from fsrcnn.pictures.picture import Metadata

Choice = Literal["auto", "clean", "photo"]

CROSSING = 91  # of JPEG's qualities: from about here on the network for clean pictures is the better one


class Suited(NamedTuple):
    """A family, and why, in words that follow "since"."""

    family: Family
    reason: str


CLEAN = Suited("clean", "its format loses nothing")
CLIP = Suited("photo", "clips are compressed")


def suited_to(picture: Metadata) -> Suited:
    """The family for a picture: by its JPEG quality, else whether it was compressed with loss."""
    if picture.jpeg_quality is not None:
        family: Family = "clean" if picture.jpeg_quality >= CROSSING else "photo"
        return Suited(family, f"its JPEG quality is {picture.jpeg_quality}")
    if picture.lossy:
        return Suited("photo", "it was compressed with loss")
    return CLEAN


def chosen(choice: Choice, suited: Suited) -> Suited:
    """What was asked for; with "auto" what suits the file."""
    return suited if choice == "auto" else Suited(choice, "it was asked for")
