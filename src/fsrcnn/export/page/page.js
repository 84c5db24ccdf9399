// What the visitor sees and does.
"use strict";

const LIMIT = 128e6; // pixels of a result: more, and browsers refuse to show it
const FAMILIES = { clean: "Clean", photo: "JPEG photo", "clean-s": "Clean, small", "photo-s": "JPEG photo, small" };
const element = (id) => document.getElementById(id);

let source = null; // what is shown: name, url, and the decoded picture
let opened = 0, latest = 0; // file and run; older ones end where they are
let zoom = 0; // screen pixels for a pixel of the result; 0 shows the whole
let split = 0.5; // of the viewer's width, from where on the result is seen

// Controls

function choices(id, name, values, label, preferred) {
    const fieldset = element(id);
    for (const value of values) {
        const input = Object.assign(document.createElement("input"), { type: "radio", name, value, checked: value === preferred });
        const shell = document.createElement("label");
        shell.append(input, label(value));
        fieldset.append(shell);
    }
    fieldset.hidden = values.length < 2;
    fieldset.addEventListener("change", () => source && run());
}

const scales = [...new Set(contents.networks.map((network) => network.scale))];
const families = [...new Set(contents.networks.map((network) => network.family))];
choices("scales", "scale", scales, (scale) => `×${scale}`, scales.at(-1));
choices("families", "family", families, (family) => FAMILIES[family], families[0]);

const chosen = (name) => document.querySelector(`input[name=${name}]:checked`);
const option = (name, value) => document.querySelector(`input[name=${name}][value="${value}"]`);

// The index of the network that was chosen, or of the nearest there is.
function network() {
    const scale = Number(chosen("scale").value), family = chosen("family").value;
    const ofScale = contents.networks.filter((entry) => entry.scale === scale);
    return contents.networks.indexOf(ofScale.find((entry) => entry.family === family) ?? ofScale[0]);
}

function say(words, isError = false) {
    element("status").textContent = words;
    element("status").classList.toggle("error", isError);
}

// From a file to a result

async function openFile(file) {
    const mine = ++opened;
    say("Reading");
    try {
        const picture = await decoded(file);
        if (mine !== opened) return;
        fitScales(picture);
        const suited = option("family", picture.coarse ? "photo" : "clean");
        if (suited) suited.checked = true;
        if (source) URL.revokeObjectURL(source.url);
        source = { name: file.name || "picture", url: URL.createObjectURL(file), picture };
    } catch (error) {
        if (mine === opened) say(error.message, true);
        return;
    }
    await run();
}

// Only scales whose result can be shown are offered.
function fitScales({ width, height }) {
    for (const scale of scales) option("scale", scale).disabled = width * height * scale ** 2 > LIMIT;
    const possible = scales.filter((scale) => !option("scale", scale).disabled);
    if (!possible.length) throw new Error(`${width} × ${height} pixels are too many to enlarge here.`);
    if (chosen("scale").disabled) option("scale", possible.at(-1)).checked = true;
}

async function run() {
    const mine = ++latest, index = network();
    const { name, picture } = source;
    const { scale } = contents.networks[index];
    const width = picture.width * scale, height = picture.height * scale;
    const size = `${picture.width} × ${picture.height} to ${width} × ${height}`;
    const begin = performance.now();
    element("download").hidden = true;
    element("progress").hidden = false;
    element("progress").value = 0;
    say(`Enlarging ${size}`);
    try {
        const bands = enlarged(picture, index, (share) => {
            if (mine !== latest) throw new Error("stopped");
            element("progress").value = share;
        });
        const result = await encoded(width, height, picture.alpha, picture.colour, bands);
        if (mine !== latest) return;
        await show(result, width, height);
        offer(result, `${name.replace(/\.[^.]*$/, "")}_x${scale}.png`);
        say(`${size} in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
    } catch (error) {
        if (mine === latest) say(`Not enlarged: ${error.message}`, true);
    } finally {
        if (mine === latest) element("progress").hidden = true;
    }
}

function offer(result, name) {
    const link = element("download");
    link.href = element("after").src;
    link.download = name;
    link.textContent = `Download PNG, ${(result.size / 1e6).toFixed(1)} MB`;
    link.hidden = false;
}

// The viewer

async function show(result, width, height) {
    const before = element("before"), after = element("after"), old = after.src;
    before.src = source.url;
    after.src = URL.createObjectURL(result);
    await after.decode();
    if (old) URL.revokeObjectURL(old);
    element("stage").dataset.width = width;
    element("stage").dataset.height = height;
    element("place").hidden = true;
    element("viewer").hidden = element("zoom").hidden = false;
    draw();
}

// The zoom at which the whole picture is seen, at most a screen's pixel for each of the result's.
function fit() {
    const { width, height } = element("stage").dataset;
    return Math.min(element("viewer").clientWidth / width, element("viewer").clientHeight / height, 1);
}

function draw() {
    const stage = element("stage"), { width, height } = stage.dataset;
    const shown = zoom || fit();
    stage.style.width = `${width * shown}px`;
    stage.style.height = `${height * shown}px`;
    element("level").textContent = `${Math.round(shown * 100)} %`;
    divide();
}

function divide() {
    const divider = element("divider"), viewer = element("viewer");
    const x = viewer.getBoundingClientRect().left + viewer.clientLeft + split * viewer.clientWidth;
    const hidden = Math.max(0, x - element("stage").getBoundingClientRect().left);
    element("before").style.clipPath = `inset(0 calc(100% - ${hidden}px) 0 0)`; // it would shine through
    element("after").style.clipPath = `inset(0 0 0 ${hidden}px)`;
    divider.style.left = `${split * 100}%`;
    divider.setAttribute("aria-valuenow", Math.round(split * 100));
}

function divideAt(share) {
    split = Math.min(1, Math.max(0, share));
    divide();
}

// Zoom so that the point of the picture in the middle of the viewer stays there.
function zoomTo(level) {
    const scroller = element("scroller"), stage = element("stage");
    const middle = (start, length, whole) => (start + length / 2) / whole;
    const x = middle(scroller.scrollLeft, scroller.clientWidth, Math.max(stage.offsetWidth, scroller.clientWidth));
    const y = middle(scroller.scrollTop, scroller.clientHeight, Math.max(stage.offsetHeight, scroller.clientHeight));
    zoom = level && Math.min(16, Math.max(fit() / 2, level));
    draw();
    scroller.scrollLeft = x * stage.offsetWidth - scroller.clientWidth / 2;
    scroller.scrollTop = y * stage.offsetHeight - scroller.clientHeight / 2;
    divide();
}

function zoomBy(factor) {
    zoomTo((zoom || fit()) * factor);
}

// Drag something: moved(event, the event before) for each move of a pointer that went down on it.
function draggable(target, accepts, moved) {
    let before = null;
    target.addEventListener("pointerdown", (event) => {
        if (!accepts(event)) return;
        before = event;
        target.setPointerCapture(event.pointerId);
    });
    target.addEventListener("pointermove", (event) => {
        if (before) moved(event, before);
        if (before) before = event;
    });
    for (const end of ["pointerup", "pointercancel"]) target.addEventListener(end, () => (before = null));
}

draggable(element("divider"), (event) => event.isPrimary, (event) => {
    const { left, width } = element("viewer").getBoundingClientRect();
    divideAt((event.clientX - left) / width);
});
draggable(element("scroller"), (event) => event.pointerType === "mouse" && event.button === 0, (event, before) => {
    element("scroller").scrollBy(before.clientX - event.clientX, before.clientY - event.clientY);
});
element("scroller").addEventListener("dragstart", (event) => event.preventDefault());
element("scroller").addEventListener("scroll", divide);
element("scroller").addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // a pinch on a touchpad reads so, too
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 200));
}, { passive: false });
element("divider").addEventListener("keydown", ({ key }) => {
    const steps = { ArrowLeft: -0.02, ArrowDown: -0.02, PageDown: -0.1, ArrowRight: 0.02, ArrowUp: 0.02, PageUp: 0.1 };
    if (key in steps) divideAt(split + steps[key]);
    else if (key === "Home" || key === "End") divideAt(key === "End" ? 1 : 0);
    else return;
    event.preventDefault();
});
element("viewer").addEventListener("keydown", ({ key }) => {
    if (key === "+" || key === "=") zoomBy(1.5);
    else if (key === "-") zoomBy(1 / 1.5);
    else if (key === "0") zoomTo(0);
    else if (key === "1") zoomTo(1);
});
element("larger").addEventListener("click", () => zoomBy(1.5));
element("smaller").addEventListener("click", () => zoomBy(1 / 1.5));
element("whole").addEventListener("click", () => zoomTo(0));
element("actual").addEventListener("click", () => zoomTo(1));
new ResizeObserver(() => source && draw()).observe(element("viewer"));

// Pictures come by choice, drop and paste

function openFirst(files) {
    const [file] = files;
    if (file) openFile(file);
}

element("file").addEventListener("change", ({ target }) => {
    openFirst(target.files);
    target.value = ""; // so that the same file can be chosen again
});
addEventListener("paste", (event) => openFirst(event.clipboardData.files));
addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("over");
});
addEventListener("dragleave", () => document.body.classList.remove("over"));
addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    if (event.dataTransfer.files.length) openFirst(event.dataTransfer.files);
    else say("That is no file. Save the picture first, then drop it here.", true);
});

say("");
prepare(network()).catch((error) => say(`This browser can't run the network: ${error.message}`, true));
