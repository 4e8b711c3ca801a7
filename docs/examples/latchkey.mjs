const BASE = "https://latchkey.example/v1";
const HEADERS = {
  Authorization: `Bearer ${process.env.LATCHKEY_KEY}`,
  Accept: "application/json",
  "Content-Type": "application/json",
};

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

// The answer. While a limit is spent or the service is away, it waits and asks again.
export async function send(method, path, body, headers = {}) {
  for (let attempt = 0; attempt < 6; attempt += 1) {
    const answer = await fetch(BASE + path, {
      method,
      headers: { ...HEADERS, ...headers },
      body: body && JSON.stringify(body),
    });
    if (answer.ok) return answer;
    if (answer.status === 429) await pause(Number(answer.headers.get("Retry-After")));
    else if (answer.status === 503) await pause(2 ** attempt);
    else {
      const { error } = await answer.json();
      throw new Error(`${answer.status}: ${error} (request ${answer.headers.get("X-Request-ID")})`);
    }
  }
  throw new Error(`${method} ${path} had no answer after 6 attempts`);
}

export const ask = async (method, path, body) => (await send(method, path, body)).json();
