// The server: what it is asked is asked until it answers, an answer of a person above all.

const token = new URLSearchParams(location.search).get("token") ?? "";
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** The server says no; `text` is for people. */
class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** Ask until there is a connection; `lost` is called while there is none, `found` when there is one again. */
async function ask(path, options = {}) {
  for (let tries = 0; ; tries++) {
    try {
      const limit = path.startsWith("/image/") ? 300000 : 20000; // a photograph takes a while on a slow connection
      const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(limit), ...options });
      const body = response.ok ? await (path.startsWith("/image/") ? response.blob() : response.json()) : await response.text();
      if (tries) connection.found();
      if (response.ok) return body;
      if (response.status === 409) return { ...JSON.parse(body), stale: true };
      throw new Refused(response.status, body.trim());
    } catch (error) {
      if (error instanceof Refused || options.signal?.aborted) throw error;
      connection.lost(options.method === "POST");
      await pause(Math.min(2000, 250 * 2 ** tries));
    }
  }
}

const connection = { lost: () => {}, found: () => {} };
const withToken = (path) => `${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`;
const getState = () => ask(withToken("/api/state"));
const post = (path, content) => ask(path, {
  method: "POST", headers: { "Content-Type": "application/json", "X-Token": token }, body: JSON.stringify(content),
});

/** An image, decoded: when it is drawn, it is there at once. */
async function getImage(path, options = {}) {
  const blob = await ask(withToken(path), options);
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" }).catch(() => {
    throw new Refused(0, "This browser cannot show an image of this question: it may be too large for it.");
  });
}
