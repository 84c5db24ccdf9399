import resource
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fsrcnn.cli import main
from fsrcnn.network import checkpoint
from fsrcnn.network.model import FSRCNN


def draw(path, width=12, height=9):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def upscale(*arguments):
    return main(["upscale", *map(str, arguments)])


def error_line(capsys):
    """What a person sees: one line, apart from the summary."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fsrcnn: ")]
    assert len(lines) == 1
    return lines[0]


def size(path):
    with Image.open(path) as image:
        image.load()
        return image.size


def test_a_picture_goes_beside_its_source(tmp_path, capsys):
    assert upscale(draw(tmp_path / "photo.jpg")) == 0
    assert size(tmp_path / "photo_x4.jpg") == (48, 36)
    assert "1 of 1 files" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".png", ".jpeg", ".webp", ".bmp", ".tif"])
def test_other_name_format_and_scale(tmp_path, suffix):
    assert upscale(draw(tmp_path / "photo.png"), "-o", tmp_path / "new" / f"large{suffix}", "--scale", 3) == 0
    assert size(tmp_path / "new" / f"large{suffix}") == (36, 27)


def test_a_folder_keeps_its_tree_and_reports_the_bad_file(tmp_path, capsys):
    folder = tmp_path / "in"
    for name in ("a.png", "deep/er/b.JPG", "deep/zoë ☃.webp"):
        draw(folder / name)
    (folder / "deep" / "bad\nname.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no picture")
    (folder / "deep" / "loop").symlink_to(folder)
    (folder / "gone.png").symlink_to(folder / "nowhere")
    draw(tmp_path / "in_x2" / "gone.png")
    assert upscale(folder, "--scale", 2, "--force") == 1
    (tmp_path / "in_x2" / "gone.png").unlink()
    capsys.readouterr()
    assert upscale(folder, "--scale", 2, "--force") == 1
    made = sorted(str(p.relative_to(tmp_path / "in_x2")) for p in (tmp_path / "in_x2").rglob("*.*"))
    assert made == ["a.png", "deep/er/b.JPG", "deep/zoë ☃.webp"]
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "bad\\nname.png: not a readable picture" in line]
    assert [line for line in lines if "gone.png: not a file" in line]
    assert "3 of 5 files" in lines[-2]
    assert lines[-1] == "passed over, as no pictures: 1 (notes.txt)"


def test_a_folder_with_a_dot_in_its_name(tmp_path):
    draw(tmp_path / "summer.2026" / "a.png")
    assert upscale(tmp_path / "summer.2026") == 0
    assert size(tmp_path / "summer.2026_x4" / "a.png") == (48, 36)


def test_a_name_that_grows_too_long(tmp_path, capsys):
    draw(tmp_path / ("a" * 251 + ".png"))
    assert upscale(tmp_path / ("a" * 251 + ".png")) == 1
    assert "_x4.png: File name too long" in error_line(capsys)


def test_output_inside_the_input_is_not_taken_for_input(tmp_path):
    draw(tmp_path / "a.png")
    assert upscale(tmp_path, "-o", tmp_path / "out") == 0
    assert upscale(tmp_path, "-o", tmp_path / "out", "--force") == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.png"]


def test_nothing_is_overwritten_without_force(tmp_path, capsys):
    for name in ("a.png", "b.png"):
        draw(tmp_path / "in" / name)
    draw(tmp_path / "in_x4" / "b.png")
    before = (tmp_path / "in_x4" / "b.png").read_bytes()
    assert upscale(tmp_path / "in") == 1
    assert "b.png: exists" in error_line(capsys)
    assert [p.read_bytes() for p in (tmp_path / "in_x4").iterdir()] == [before]
    assert upscale(tmp_path / "in", "--force") == 0
    assert size(tmp_path / "in_x4" / "b.png") == (48, 36)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.png",), "missing.png: no such file"),
        (("notes.txt",), "notes.txt: no picture by its suffix"),
        (("empty",), "empty: no pictures in this folder"),
        (("a.png", "-o", "a.xyz"), "a.xyz: unknown suffix"),
        (("a.png", "-o", "a.png", "--force"), "a.png: input and output are the same"),
        (("a.png", "-o", ".", "--force"), "a.png: input and output are the same"),
        (("a.png", "-o", "notes.txt/b.png"), "notes.txt: not a folder that can be written to"),
        (("alpha.png", "-o", "alpha.jpg"), "alpha.jpg: .jpg has no alpha"),
        (("a.png", "large.png"), "large.png: no such file or folder; to name the output, write -o large.png"),
        (("a.png", "alpha.png", "-o", "b.png"), "b.png: several inputs need a folder as OUT"),
        (("a.png", "a.png"), "a.png and a.png: both would be written to a_x4.png"),
        (
            ("a.png", "--max-megapixels", "0.0001"),
            "of 0.0001 megapixels; raise it with --max-megapixels",
        ),
        (("a.png", "--weights", "none.safetensors"), "none.safetensors: no such file"),
        (("a.png", "--weights", "notes.txt"), "notes.txt: not a safetensors file"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "a.png")
    Image.new("RGBA", (4, 4)).save("alpha.png")
    (tmp_path / "notes.txt").write_text("no picture, no weights")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    assert upscale(*arguments) == 1
    assert message in error_line(capsys)
    assert sorted(tmp_path.iterdir()) == before


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path, capsys):
    draw(tmp_path / "a.bmp", 100, 100)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        assert upscale(tmp_path / "a.bmp") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "a_x4.bmp: can't be written (File too large)" in error_line(capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["a.bmp"]


def test_own_weights_bring_their_scale(tmp_path, capsys):
    checkpoint.save(FSRCNN(2, d=8, s=4, m=1), tmp_path / "w.safetensors", {})
    draw(tmp_path / "a.png")
    assert upscale(tmp_path / "a.png", "--weights", tmp_path / "w.safetensors") == 0
    assert size(tmp_path / "a_x2.png") == (24, 18)
    assert upscale(tmp_path / "a.png", "--weights", tmp_path / "w.safetensors", "--scale", 4) == 1
    assert "weights for scale 2, not 4" in error_line(capsys)


def test_help_answers_without_torch():
    code = "import sys; from fsrcnn.cli import main\ntry: main(['upscale', '--help'])\n"
    code += "except SystemExit: sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert "fsrcnn upscale photo.jpg" in done.stdout
