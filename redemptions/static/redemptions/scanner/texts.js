/* Every word staff read or hear. The page brings them, in its own language, and they are kept with it for when there is
 * no network; here they get their numbers and names. */

const words = JSON.parse(document.getElementById("words").textContent);

const fill = (text, values) => text.replace(/%\((\w+)\)s|%%/g, (_, name) => (name ? values[name] : "%"));
const counted = ([one, many], count) => fill(count === 1 ? one : many, { count });

export const texts = {
  ...words,
  ago: (count) =>
    count < 120 ? counted(words.seconds, count) : counted(words.minutes, Math.floor(count / 60)),
  tail: (end) => fill(words.tail, { end }),

  // Answers
  off: (amount) => fill(words.off, { amount }),
  percentOff: (percent) => fill(words.percentOff, { percent }),
  atMost: (worth, amount) => fill(words.atMost, { worth, amount }),
  from: (amount) => fill(words.from, { amount }),
  orderOf: (amount) => fill(words.orderOf, { amount }),
  uses: (used, limit) => fill(words.uses, { used, limit }),
  receipt: (number) => fill(words.receipt, { number }),
  ours: (time) => fill(words.ours, { time }),

  // No answer
  listOf: (time) => fill(words.listOf, { time }),
  alreadyHere: (time) => fill(words.alreadyHere, { time }),

  // Camera
  cameraNumber: (number) => fill(words.cameraNumber, { number }),

  // Queue
  waiting: (count) => fill(words.waiting, { count }),
  troubled: (count) => fill(words.troubled, { count }),
  lastSync: (time) => fill(words.lastSync, { time }),
  otherDevice: (name) => fill(words.otherDevice, { name }),
  today: (redeemed, refused) => fill(words.today, { redeemed, refused }),

  // Setting up, and staff
  signOutQueue: (count) => fill(words.signOutQueue, { count }),
  staff: (name) => fill(words.staff, { name }),
};
