/* What this device keeps about itself. Small, and needed before anything is shown, so not in the journal. */

const PREFIX = "scanner.";

export const read = (name, otherwise = null) => JSON.parse(localStorage.getItem(PREFIX + name)) ?? otherwise;
export const write = (name, value) => localStorage.setItem(PREFIX + name, JSON.stringify(value));
export const forget = (name) => localStorage.removeItem(PREFIX + name);

/* Returns the next number of this device's scans: their order, whatever its clock did. */
export function nextNumber() {
  const number = read("sequence", 0) + 1;
  write("sequence", number);
  return number;
}
