// On a server, such as Node 18 or newer: in a web page everybody could read the key.
const answer = await fetch("https://latchkey.example/v1/affiliates/affiliate", {
  headers: {
    Authorization: `Bearer ${process.env.LATCHKEY_KEY}`,
    Accept: "application/json",
  },
});
if (!answer.ok) throw new Error((await answer.json()).error);
console.log((await answer.json()).name);
