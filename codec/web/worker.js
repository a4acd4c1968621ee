// The worker of `aec.js`, in browsers and in Node.
import { Service } from "./service.js";
import { help } from "./threads.js";

const port = globalThis.postMessage ? globalThis : (await import("node:worker_threads")).parentPort;
const script = globalThis.location ?? new URL(import.meta.url);
const service = new Service(script, (message, transfer) => port.postMessage(message, transfer));
const listen = (data) => (data.help ? help(data.help) : service.take(data));
if (port.on) port.on("message", listen);
else port.onmessage = ({ data }) => listen(data);
