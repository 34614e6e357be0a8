/* Keeps the scanner's page and files on the phone, so that it opens without network. Answers of the server are never kept.
 *
 * Files carry their version in their name, so the kept one is as good as the server's; the page is asked for first. */
"use strict";

const CACHE = "scanner-{{ version }}";
const PAGE = "{{ page }}";
const FILES = new Set([{% for file in files %}"{{ file }}"{% if not forloop.last %}, {% endif %}{% endfor %}]);
const PATIENCE_MS = 4000;

self.addEventListener("install", (event) => {
  const fresh = [PAGE, ...FILES].map((address) => new Request(address, { cache: "reload" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(fresh)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const forgetOthers = async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name.startsWith("scanner-") && name !== CACHE).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(forgetOthers());
});

self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== location.origin) return;
  if (FILES.has(pathname)) event.respondWith(kept(pathname).then((file) => file ?? fetch(event.request)));
  else if (event.request.mode === "navigate" && pathname === PAGE) event.respondWith(page(event.request));
});

const kept = (address) => caches.open(CACHE).then((cache) => cache.match(address));

/* A redirect is the login page of some Wi-Fi: what is kept is better, and opens without it. */
async function page(request) {
  const asked = fetch(request.url, { cache: "no-cache", redirect: "error" });
  const patience = new Promise((_, stop) => setTimeout(stop, PATIENCE_MS));
  try {
    const response = await Promise.race([asked, patience]);
    if (response.ok) return response;
  } catch {
    // No network, or a slow one.
  }
  return (await kept(PAGE)) ?? asked;
}
