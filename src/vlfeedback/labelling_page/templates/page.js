"use strict";
const PICTURE_MS = 150; // how long each picture is seen at normal speed
const HOLD_MS = 700; // the last one longer, since it shows the outcome
const SPEEDS = [1, 2, 0.5];
const AGAIN_MS = 1000; // until the server is asked again where there was nothing, or no reply
const STILL_HERE_MS = 8000; // a pair stays with whoever says so in time
const KEYS = {
  ArrowLeft: "left", ArrowRight: "right", ArrowDown: "equal", e: "equal", " ": "unsure", n: "unsure",
};

const $ = (id) => document.getElementById(id);
const body = document.body;
let pair = null; // on the screen
let sheets = null; // its two images, once they are there
let shownAt = 0;
let busy = false; // something is being sent
let timer = 0;
let speed = 0;
let isPaused = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
let played = 0; // milliseconds of the loop
let lastTick = 0;
let messageTimer = 0;

function say(text, lasting = false) {
  $("message").textContent = text;
  clearTimeout(messageTimer);
  if (text && !lasting) messageTimer = setTimeout(() => say(""), 3500);
}

// Asks until there is a reply: what a person said is not lost while a server starts again.
async function ask(question, content = {}) {
  for (;;) {
    try {
      const response = await fetch(`api/${question}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(content),
        credentials: "same-origin",
      });
      if (response.ok) {
        if (body.dataset.server === "lost") say("");
        body.dataset.server = "there";
        return await response.json();
      }
      if (response.status === 403) {
        say("This page has lost its access. Open the address that vlfeedback serve printed.", true);
        body.dataset.state = "refused";
        return null;
      }
      const told = response.headers.get("content-type") === "application/json";
      const problem = told ? (await response.json()).problem : response.statusText;
      if (response.status < 500) {
        say(problem);
        return null;
      }
      say(`The server has a problem, and is asked again: ${problem}`, true);
    } catch (error) {
      say("The server does not reply. Trying again; nothing is lost.", true);
    }
    body.dataset.server = "lost";
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function send(question, content) {
  if (busy) return null;
  busy = true;
  clearTimeout(timer);
  const reply = await ask(question, content);
  busy = false;
  if (reply) show(reply);
  else again();
  return reply;
}

function again() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    // A page that nobody looks at lets its pair go.
    if (document.hidden && pair) again();
    else if (body.dataset.state !== "refused") send("next");
  }, pair ? STILL_HERE_MS : AGAIN_MS);
}

function show(reply) {
  showProgress(reply.progress, reply.pair);
  showName(reply.name);
  if (!reply.pair) {
    pair = sheets = null;
    body.dataset.pair = "";
    body.dataset.state = "waiting";
  } else if (!pair || pair.number !== reply.pair.number) {
    load(reply.pair);
  }
  $("compare").hidden = !pair;
  $("waiting").hidden = Boolean(pair);
  again();
}

function showName(name) {
  if (document.activeElement !== $("name")) $("name").value = name;
  body.dataset.name = name;
}

function showProgress(progress, next) {
  $("progress").textContent = `${progress.done} of ${progress.pairs}, ${progress.yours} by you`;
  const share = progress.pairs ? (100 * progress.done) / progress.pairs : 0;
  $("bar").style.width = `${share}%`;
  $("bar").parentElement.setAttribute("aria-valuemax", progress.pairs);
  $("bar").parentElement.setAttribute("aria-valuenow", progress.done);
  $("agreement").textContent = progress.shared
    ? `agreement ${Math.round((100 * progress.agreed) / progress.shared)} % of ${progress.shared}`
    : "";
  $("agreement").title = "Pairs that several people answered, and how often all said the same";
  $("undo").disabled = $("undo-waiting").disabled = !progress.yours;
  $("why").textContent =
    !next && progress.done < progress.pairs
      ? "Others are at the last pairs. New ones appear here by themselves."
      : "New pairs appear here by themselves. You may leave this page open.";
}

async function load(next) {
  pair = next;
  sheets = null;
  body.dataset.state = "loading";
  $("instruction").textContent = next.instruction;
  const ratios = ["left", "right"].map((side) => next[side].width / next[side].height);
  $("stage").style.setProperty("--ratio", Math.max(...ratios));
  for (const side of ["left", "right"]) {
    const canvas = $(side);
    canvas.width = next[side].width;
    canvas.height = next[side].height;
    canvas.style.imageRendering = next[side].width < 160 ? "pixelated" : "auto";
  }
  let images = null;
  while (!images && pair === next) {
    try {
      images = await Promise.all(["left", "right"].map((side) => loadImage(next[side].sheet)));
    } catch (error) {
      say("A clip does not load. Trying again ...", true);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
  if (pair !== next) return;
  if ($("message").textContent.startsWith("A clip")) say("");
  sheets = { left: images[0], right: images[1] };
  played = 0;
  shownAt = performance.now();
  for (const button of document.querySelectorAll(".chosen")) button.classList.remove("chosen");
  draw();
  body.dataset.pair = next.number;
  body.dataset.state = "ready";
}

async function loadImage(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

function pictureTimes() {
  const most = Math.max(pair.left.pictures, pair.right.pictures);
  return { most, whole: most * PICTURE_MS + HOLD_MS };
}

function draw() {
  const { most, whole } = pictureTimes();
  const now = Math.min(Math.floor(played / PICTURE_MS), most - 1);
  for (const side of ["left", "right"]) {
    const { pictures, columns, width, height } = pair[side];
    const n = Math.min(now, pictures - 1);
    const [x, y] = [(n % columns) * width, Math.floor(n / columns) * height];
    $(side).getContext("2d").drawImage(sheets[side], x, y, width, height, 0, 0, width, height);
  }
  $("time").style.width = `${Math.min(100, (100 * played) / (whole - HOLD_MS))}%`;
}

function tick(time) {
  if (sheets && !isPaused) {
    played = (played + Math.min(time - lastTick, 250) * SPEEDS[speed]) % pictureTimes().whole;
    draw();
  }
  lastTick = time;
  requestAnimationFrame(tick);
}

async function answer(said) {
  if (!sheets || busy) return;
  const button = document.querySelector(`[data-said=${said}]`);
  button.classList.add("chosen");
  const seconds = (performance.now() - shownAt) / 1000;
  const reply = await send("answer", { pair: pair.number, said, seconds });
  button.classList.remove("chosen");
  if (reply && !reply.counted) say("Somebody else was quicker with that pair.");
}

async function undo() {
  const reply = await send("undo");
  if (reply) say(reply.undone ? "Taken back: answer it again." : "Your last answer was used already, or there is none.");
}

function pause(value) {
  isPaused = value;
  $("pause").lastElementChild.textContent = isPaused ? "Play" : "Pause";
}

function step(pictures) {
  if (!sheets) return;
  pause(true);
  const { most } = pictureTimes();
  const now = Math.min(Math.floor(played / PICTURE_MS), most - 1);
  played = ((now + pictures + most) % most) * PICTURE_MS;
  draw();
}

function changeSpeed() {
  speed = (speed + 1) % SPEEDS.length;
  $("speed").lastElementChild.textContent = `${SPEEDS[speed]}×`;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target === $("name")) {
    if (event.key === "Enter") $("name").blur();
    return;
  }
  if (event.target.tagName === "BUTTON" && [" ", "Enter"].includes(event.key)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const tools = {
    u: undo, p: () => pause(!isPaused), s: changeSpeed, ",": () => step(-1), ".": () => step(1),
  };
  if (KEYS[key]) answer(KEYS[key]);
  else if (tools[key]) tools[key]();
  else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (event.detail) button.blur(); // so that Space is an answer again after a click
  if (button.dataset.said) answer(button.dataset.said);
  else if (button.id.startsWith("undo")) undo();
  else if (button.id === "pause") pause(!isPaused);
  else if (button.id === "speed") changeSpeed();
});
$("name").addEventListener("change", () => ask("name", { name: $("name").value }).then((reply) => {
  if (reply) showName(reply.name);
}));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !busy) send("next");
});

pause(isPaused);
requestAnimationFrame(tick);
send("next");
