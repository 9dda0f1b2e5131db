// Query pictures stay in this browser, by their contents: an address names one, and reload and back find it again.

const MOST = 60;
const known = new Map();

/**
 * Keep a picture.
 * @param {File} file
 * @returns {Promise<string>} The key that an address names it by.
 */
export async function keep(file) {
  const key = contentKey(new Uint8Array(await file.arrayBuffer()));
  known.set(key, file);
  store(key, file).catch(() => {}); // a browser that keeps nothing loses it with this page alone
  return key;
}

/**
 * Return a picture that was kept, or undefined where this browser has none of that key.
 * @param {string} key
 * @returns {Promise<File|undefined>}
 */
export async function recall(key) {
  if (!known.has(key)) {
    const found = await fromDatabase(key).catch(() => undefined);
    if (found) known.set(key, found.file);
  }
  return known.get(key);
}

/**
 * Return the key of a file's bytes: two FNV-1a hashes and the length. SubtleCrypto is not there on plain http.
 * @param {Uint8Array} bytes
 */
export function contentKey(bytes) {
  let one = 0x811c9dc5;
  let other = 0x01000193;
  for (let at = 0; at < bytes.length; at++) {
    one = Math.imul(one ^ bytes[at], 0x01000193);
    other = Math.imul(other ^ bytes[at], 0x85ebca6b) + at;
  }
  return [one, other, bytes.length].map((part) => (part >>> 0).toString(36)).join("");
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  const opening = indexedDB.open("pixkin", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(
    "pictures", { keyPath: "key" }
  ).createIndex("at", "at");
  return done(opening);
}

async function store(key, file) {
  const pictures = (await open()).transaction("pictures", "readwrite").objectStore("pictures");
  await done(pictures.put({ key, file, at: Date.now() }));
  const keys = await done(pictures.index("at").getAllKeys());
  for (const old of keys.slice(0, Math.max(0, keys.length - MOST))) pictures.delete(old);
}

async function fromDatabase(key) {
  return done((await open()).transaction("pictures").objectStore("pictures").get(key));
}

function done(asked) {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}
