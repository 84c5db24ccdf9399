"""Time the page of `fsrcnn export --to web` in Chromium, for docs/everywhere.md.

    python scripts/time_page.py

A photograph of 480x270 at x2, x3 and x4: the engine alone, with colour, in one thread; all workers, to
compressed lines; the same to a PNG file. Milliseconds, best and median of 15 runs.
Needs Chromium and its driver (Debian: chromium, chromium-driver).
"""

import base64
import io
import tempfile
from pathlib import Path

from screenshot import chromium

from fsrcnn.download.samples import EVALUATION, photographs
from fsrcnn.export.web import to_page
from fsrcnn.network.weights import released

RUNS = 15
# Among the functions of the page itself: pool.js, picture.js.
SCRIPT = """
const [data, scale, runs, done] = arguments;
async function times(call) {
    for (let i = 0; i < 4; i++) await call(); // until the code is translated for speed
    const found = [];
    for (let i = 0; i < runs; i++) {
        const begin = performance.now();
        await call();
        found.push(performance.now() - begin);
    }
    found.sort((a, b) => a - b);
    return [found[0], found[runs >> 1]];
}
(async () => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const picture = await decoded(new File([bytes], "a.png", { type: "image/png" }));
    const { width, height, pixels } = picture;
    const index = contents.networks.findIndex((network) => network.scale === scale);
    const { engines, weights } = await unpacked;
    const { instance } = await WebAssembly.instantiate(engines[contents.networks[index].engine]);
    const run = instance.exports, count = width * height;
    const network = run.calloc(weights[index].length, 4), from = run.calloc(count, 3);
    const to = run.calloc(count * scale * scale, 3);
    new Float32Array(run.memory.buffer, network).set(weights[index]);
    const given = new Uint8Array(run.memory.buffer, from);
    for (let i = 0; i < count; i++) given.set(pixels.subarray(4 * i, 4 * i + 3), 3 * i);
    const colour = [contents.black, ...contents.share];
    const engine = () => run.upscale_rgb(network, from, to, height, width, 3, ...colour);
    const bands = () => enlarged(picture, index, () => {});
    const lines = async () => { for await (const band of bands()); };
    const png = () => encoded(width * scale, height * scale, false, [], bands());
    const all = `${workers.length} workers`;
    return { engine: await times(engine), [all]: await times(lines), PNG: await times(png) };
})().then(done);
"""


def main() -> None:
    """Print a line for each scale."""
    photograph = io.BytesIO()
    _, image = photographs(EVALUATION, largest_side=600)[1]
    image.resize((480, 320)).crop((0, 25, 480, 295)).save(photograph, "PNG")
    data = base64.b64encode(photograph.getvalue()).decode()
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder, "profile")) as page:
        html = Path(folder, "page.html")
        html.write_bytes(to_page([released(scale) for scale in (2, 3, 4)]))
        page.open(html.as_uri())
        page.driver.set_script_timeout(600)
        for scale in (2, 3, 4):
            times = page.driver.execute_async_script(SCRIPT, data, scale, RUNS)
            line = ", ".join(f"{name} {best:.0f} / {median:.0f}" for name, (best, median) in times.items())
            print(f"x{scale}: {line}")


if __name__ == "__main__":
    main()
