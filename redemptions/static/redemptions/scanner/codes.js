/* Coupon tokens and typed codes, read as the server reads them. Pure. */

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TOKEN = new RegExp(`^[${CROCKFORD}]{26}$`);
const TYPED = new RegExp(`^[${CROCKFORD}]{10}$`);
const LOOKALIKES = { O: "0", I: "1", L: "1" };

/* Returns the token or typed code in a URL, a bare token, or the typed form with or without dashes. */
export function normalise(text) {
  let code = text.trim();
  if (code.includes("/")) code = code.split(/[?#]/, 1)[0].replace(/\/+$/, "").split("/").pop();
  code = code.replace(/[\s\-\u2010-\u2015_.]+/g, "").toUpperCase();
  return code.replace(/[OIL]/g, (char) => LOOKALIKES[char]);
}

export const isToken = (code) => TOKEN.test(code);
export const isTyped = (code) => TYPED.test(code);

/* Returns the Luhn mod 32 check character. */
export function checkCharacter(payload) {
  let total = 0;
  [...payload].reverse().forEach((char, position) => {
    const value = CROCKFORD.indexOf(char) * (position % 2 === 0 ? 2 : 1);
    total += Math.floor(value / 32) + (value % 32);
  });
  return CROCKFORD[(32 - (total % 32)) % 32];
}

/* Says what was read: "code", "mistyped" (ten characters that do not check) or "stranger". */
export function kindOf(text) {
  const code = normalise(text);
  if (isToken(code)) return "code";
  if (!isTyped(code)) return "stranger";
  return checkCharacter(code.slice(0, -1)) === code.at(-1) ? "code" : "mistyped";
}

/* Returns the one-time token in the link that sets a device up, or null. */
export const enrolTokenIn = (text) => /#(?:.*&)?enrol=([\w-]{20,100})/.exec(text)?.[1] ?? null;

/* Returns what the list for times without network calls a code: 8 bytes of SHA-256 in hex. */
export async function shortHash(code) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(code));
  return [...new Uint8Array(digest, 0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
