/* Every word staff read or hear. One object: a translation is another one of the same shape. */

const seconds = (count) => `${count} ${count === 1 ? "second" : "seconds"}`;
const minutes = (count) => `${count} ${count === 1 ? "minute" : "minutes"}`;

export const texts = {
  ago: (count) => (count < 120 ? seconds(count) : minutes(Math.floor(count / 60))),
  tail: (end) => `Code …${end}`,

  // Answers
  checking: "Checking …",
  redeemed: "Redeemed",
  off: (money) => `${money} off`,
  percentOff: (value) => `${value} % off`,
  atMost: (worth, money) => `${worth}, at most ${money}`,
  kinds: { item: "Free item", bogo: "Buy one, get one" },
  from: (money) => `For orders from ${money}`,
  orderOf: (money) => `Order ${money}`,
  uses: (used, max) => `Use ${used} of ${max}`,
  receipt: (number) => `Receipt ${number}`,
  confirmedNow: "Confirmed now",
  refused: "Not valid",
  ours: (ago) => `You redeemed this ${ago} ago on this phone.`,
  conflict: "Given, but it should not have been",
  takenBack: "Taken back",
  takenBackDetail: "The code is good again.",
  takenBackBefore: "It was redeemed, and taken back since. To give the deal now, scan the code again.",
  recorded: "Recorded",
  recordedDetail: "This scan was turned down. Nothing was given.",
  noted: "Noted",

  // No answer
  notConfirmed: "Not confirmed",
  noAnswer: "No answer from the server. The code may or may not be redeemed.",
  offline: "This phone has no network.",
  wait: "Wait for the answer, or send the guest away.",
  takeIt: "Take it: not confirmed",
  takeItDetail: "No network. This deal may be given anyway; the server is told later.",
  listOf: (when) => `By the list of ${when}.`,
  alreadyHere: (when) => `Given on this phone at ${when}, not confirmed yet.`,
  notGiven: "Not given",
  sentAway: "Sent away",
  sentAwayDetail: "Nothing was given. The server is told that this code was turned down.",
  takingBack: "The server had redeemed it all the same. It is being taken back.",
  redeemedAnyway: "Was redeemed all the same",
  redeemedAnywayDetail: "It was turned down here, and the guest's code is used. The owner can take it back.",
  answeredElsewhere: "It was answered in another window, and may be redeemed. Scan the code again to see.",
  localRules: {
    unknown: "The code is not on this phone's list.",
    taken: "By this phone's list it is used already.",
    notYet: "By this phone's list it is not valid yet.",
    over: "By this phone's list it is over.",
    closed: "By this phone's list it is not valid at this time.",
    enough: "This phone has given this deal as often as it may without network today.",
    small: "The order is too small for this deal.",
    tooMuch: "This discount is more than may be given without network.",
    value: "Without network the order's value is needed first.",
    policy: "This deal waits for the network.",
  },

  // The order's value
  orderValue: "Order value",
  orderValueAsk: "What does the order cost?",
  orderValueBad: "Type an amount such as 42.50.",
  save: "Save",
  redeem: "Redeem",

  // Taking back
  takeBack: "Take back",
  why: "Why?",
  reasons: {
    wrong_item: "Wrong item",
    customer_changed_mind: "Guest changed their mind",
    scanned_by_mistake: "Scanned by mistake",
    duplicate: "Scanned twice",
    test: "Only a test",
    other: "Other reason",
  },

  // Reading
  mistyped: "Typing error: check the code.",
  notACode: "A code has ten letters and digits.",
  notOurs: "This is not one of our codes.",
  stillInView: "Same code, still in view.",
  point: "Point the camera at the guest's code.",

  // Camera
  startCamera: "Scan with the camera",
  camera: {
    starting: "Starting the camera …",
    insecure: "The camera works on https only. Type the code instead.",
    denied: "The camera is not allowed. Allow it in the browser's settings of this site, or type the code.",
    none: "This device has no camera. Type the code instead.",
    busy: "Another app uses the camera. Close it and try again, or type the code.",
    broken: "The camera did not start. Try again, or type the code.",
    decoder: "The code reader did not load. Reload the page, or type the code.",
  },
  cameraNumber: (number) => `Camera ${number}`,

  // Queue
  allSent: "All sent",
  waiting: (count) => `${count} not confirmed`,
  troubled: (count) => `${count} to look at`,
  lastSync: (when) => `last answer ${when}`,
  neverSynced: "no answer yet",
  noNetwork: "no network",
  noServer: "no answer",
  newLink: "Ask the owner for a new link. What is not confirmed stays on this phone.",
  tooOld: "This page is too old. Reload it; what is not confirmed stays on this phone.",
  noJournal: "This browser keeps nothing, so nothing can be redeemed safely. Leave private browsing.",
  otherDevice: (name) => `Scanned as “${name}”, which this phone no longer is.`,
  states: {
    undecided: "open",
    honoured: "given without network",
    refused: "turned down without network",
    void: "taking back",
    order: "order value",
  },
  again: "Send again",
  remove: "Remove",
  removeSure: "The server will never hear of this scan. Remove it?",
  removeSeen: "Remove it from this list? The code stays used until the owner takes it back.",
  today: (redeemed, refused) => `Today: ${redeemed} redeemed, ${refused} refused`,

  // Setting up
  notSetUp: "Open the link or scan the QR code that the owner made for this device.",
  settingUp: "Setting up this device …",
  setUpUnanswered: "No answer from the server. Check the connection.",
  linkWrong: "This link does not work.",
  signOutSure: "Take this device out of use here?",
  signOutQueue: (count) => `${count} not confirmed would be lost for good. Take this device out of use anyway?`,
  signOutUnanswered: "No answer from the server: the device is still in use. Try again.",
  signedOut: "This device is no longer in use.",

  // Staff
  pinWrong: "Type four to six digits.",
  pinUnanswered: "No answer from the server. Try again.",
  staff: (name) => `Scanning: ${name}`,
};
