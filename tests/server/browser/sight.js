// What a page looks like to who reads it; `sight.py` asks for one of these.
"use strict";

// Texts whose colour stands out less than 4.5 to 1 (3 to 1 where they are large), as WCAG AA has it.
function contrast() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const read = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    const layers = [];
    for (let e = one; e; e = e.parentElement) layers.unshift(read(getComputedStyle(e).backgroundColor));
    const base = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
    return layers.reduce((below, top) => over(top, below), base);
  };
  const faint = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const one = node.parentElement, style = getComputedStyle(one);
    if (!node.data.trim() || !one.checkVisibility({ visibilityProperty: true }) || one.closest("[disabled], .hidden, .skip, option")) continue;
    const back = ground(one), front = over(read(style.color), back);
    const [high, low] = [light(front), light(back)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05), size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if (ratio < least) faint.add(`${ratio.toFixed(2)} ${one.tagName}.${one.className}: ${node.data.trim().slice(0, 30)}`);
  }
  return [...faint];
}

// Fields of forms, buttons and links that have no name for who cannot see them; ids that are there twice.
function labels() {
  const named = (one) => one.labels?.length || one.getAttribute("aria-label") || one.getAttribute("aria-labelledby") || one.title;
  const fields = [...document.querySelectorAll("input:not([type=hidden]), select, textarea")].filter((one) => !named(one));
  const silent = [...document.querySelectorAll("a[href], button")].filter((one) => !one.innerText.trim() && !one.closest("details:not([open])") && !named(one) && !one.querySelector("img[alt]:not([alt=''])"));
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  const twice = ids.filter((id, place) => ids.indexOf(id) !== place);
  return [...[...fields, ...silent].map((one) => one.outerHTML.slice(0, 120)), ...twice.map((id) => `id ${id} twice`)];
}

// What is wider than the screen, outside of parts that scroll by themselves.
function sideways() {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide + 1) return [];
  const scrolls = (one) => { for (let e = one.parentElement; e; e = e.parentElement) if (/auto|scroll|hidden/.test(getComputedStyle(e).overflowX)) return true; return false; };
  const found = [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > wide + 1 && !scrolls(one));
  return (found.length ? found : [document.documentElement]).slice(0, 5).map((one) => `${one.tagName}.${one.className} ${Math.round(one.getBoundingClientRect().right)}: ${one.innerText?.slice(0, 40)}`);
}

// All that the keyboard reaches, in its order.
function tabbable() {
  const able = "a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]), select:not([disabled]), textarea:not([disabled]), summary, [tabindex='0']";
  return [...document.querySelectorAll(able)].filter((one) => one.checkVisibility({ visibilityProperty: true }) && !(one.closest("details:not([open])") && one.tagName !== "SUMMARY"));
}

// Where the focus is among all that can have it, and whether that can be seen.
function focus() {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const lined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return { name: one.tagName, number: tabbable().indexOf(one), all: tabbable().length, words: (one.innerText || one.name || "").slice(0, 30), shown: box.width > 0 && (lined || style.boxShadow !== "none") };
}
