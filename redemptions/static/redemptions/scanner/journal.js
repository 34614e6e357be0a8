/* The journal: whatever is on its way to the server, written to disk before it is sent. And, beside it, the list for
 * times without network. */

const NAME = "regulars-scanner";
const STORES = { journal: { keyPath: "key" }, kept: {} };

let opening = null;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      for (const [store, options] of Object.entries(STORES)) request.result.createObjectStore(store, options);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

/* Runs `work(store)` in one transaction; resolves, to what its request found, when that is on disk. */
async function within(store, mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode, { durability: "strict" });
    const found = work(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(found?.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

const byAge = (one, other) => one.seq - other.seq;

export const journal = {
  all: async () => (await within("journal", "readonly", (store) => store.getAll())).sort(byAge),
  add: (item) => within("journal", "readwrite", (store) => store.add(item)),
  remove: (key) => within("journal", "readwrite", (store) => store.delete(key)),

  /* Takes an item out and puts in what follows from it, `next(item)`, in one transaction; returns both. Null for an
   * item that is gone already. */
  async settle(key, next) {
    const settled = { item: null, next: null };
    await within("journal", "readwrite", (store) => {
      const request = store.get(key);
      request.onsuccess = () => {
        if (!request.result) return;
        settled.item = request.result;
        settled.next = next(settled.item);
        store.delete(key);
        if (settled.next) store.put(settled.next);
      };
    });
    return settled;
  },

  /* Changes fields of an item that is still there, and does nothing where it was answered in the meantime. */
  async change(key, values) {
    let changed = null;
    await within("journal", "readwrite", (store) => {
      const request = store.get(key);
      request.onsuccess = () => {
        if (request.result) store.put((changed = { ...request.result, ...values }));
      };
    });
    return changed;
  },
};

export const kept = {
  read: (name) => within("kept", "readonly", (store) => store.get(name)),
  write: (name, value) => within("kept", "readwrite", (store) => store.put(value, name)),
  forget: (name) => within("kept", "readwrite", (store) => store.delete(name)),

  /* Replaces a value by `change(value)` in one transaction, and returns it. */
  async change(name, change) {
    let value;
    await within("kept", "readwrite", (store) => {
      const request = store.get(name);
      request.onsuccess = () => store.put((value = change(request.result)), name);
    });
    return value;
  },
};
