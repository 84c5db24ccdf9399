"""From one container to the other in one pass: picture, and what lies beside it."""

from pathlib import Path

import av
from tqdm import tqdm

from fsrcnn.upscaling.clips.beside import Beside
from fsrcnn.upscaling.clips.encoding import losses
from fsrcnn.upscaling.clips.reading import opened
from fsrcnn.upscaling.clips.source import Source
from fsrcnn.upscaling.image import Upscaler
from fsrcnn.upscaling.planning import Encoding

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}


def transcode(
    source: Path, target: Path, temporary: Path, upscaler: Upscaler, quality: Encoding
) -> tuple[int, list[str]]:
    """Write `temporary`, which becomes `target`; returns the number of frames and what there is to say.

    Raises `InputError` when `source` holds no video or `target` can't hold it, and PyAV's errors.
    """
    with opened(source) as given:
        clip = Source(given, source)
        count = 0
        container = FORMATS[target.suffix.lower()]
        with av.open(str(temporary), "w", format=container, metadata_errors="surrogateescape") as made:
            encoder = clip.encoder(made, target, upscaler.scale, quality)
            beside = Beside(clip.reader, made, encoder.stream)
            with tqdm(desc="upscale", unit="frame", total=clip.video.frames or None, disable=None) as bar:
                for large in clip.upscaled(clip.pictures, upscaler):
                    made.mux(encoder.encode(large))
                    made.mux(list(beside.packets()))
                    count += 1
                    bar.update()
            made.mux(encoder.encode(None))
            made.mux(list(beside.rest()))
        notes = [*clip.notes, *losses(clip.first, clip.form, quality)]
        notes += clip.reader.notes() + beside.notes(temporary)
    return count, notes
