// A turn with Node's own HTTP/2 at the provider's address, through the proxy of the environment; TLS offers h2 alone.
import fs from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";

const [port, body] = process.argv.slice(2);
const proxy = new URL(process.env.HTTPS_PROXY);
const place = `localhost:${port}`;
const raw = net.connect(proxy.port, proxy.hostname, () => raw.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`));
raw.once("data", () => {
  const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS);
  const socket = tls.connect({ socket: raw, servername: "localhost", ALPNProtocols: ["h2"], ca }, () => {
    const session = http2.connect(`https://${place}`, { createConnection: () => socket });
    const ask = session.request({ ":method": "POST", ":path": "/v1/chat/completions" });
    let text = "";
    ask.on("data", (piece) => (text += piece));
    ask.on("end", () => {
      session.close();
      process.exitCode = socket.alpnProtocol === "h2" && text.includes("[DONE]") ? 0 : 1;
    });
    ask.end(body);
  });
});
