/* Tabs of one phone tell each other what they did. */

const channel = "BroadcastChannel" in window ? new BroadcastChannel("regulars-scanner") : null;

/* Tells all other tabs; `news` is {kind, ...}. */
export const tell = (news) => channel?.postMessage(news);

export const hear = (heard) => channel?.addEventListener("message", ({ data }) => heard(data));
