/* Reads QR codes: the browser's own reader where it has one, else ZXing, from this site. */

const addresses = () => document.getElementById("scanner").dataset;

async function isNative() {
  if (!("BarcodeDetector" in window)) return false;
  return (await window.BarcodeDetector.getSupportedFormats().catch(() => [])).includes("qr_code");
}

async function ponyfill() {
  const { decoder, wasm } = addresses();
  const { BarcodeDetector, prepareZXingModule } = await import(decoder);
  // Left to itself it asks a third party for the file.
  await prepareZXingModule({ overrides: { locateFile: () => wasm }, fireImmediately: true });
  return BarcodeDetector;
}

let loading = null;

/* Returns a reader. Rejects where it cannot be loaded; the next call tries again. */
export function decoder() {
  loading ??= isNative()
    .then((native) => (native ? window.BarcodeDetector : ponyfill()))
    .then((Detector) => new Detector({ formats: ["qr_code"] }));
  loading.catch(() => (loading = null));
  return loading;
}
