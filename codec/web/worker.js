// The worker of `aec.js`, in browsers and in Node.
import { Service } from "./service.js";

const port = globalThis.postMessage ? globalThis : (await import("node:worker_threads")).parentPort;
const service = new Service((message, transfer) => port.postMessage(message, transfer));
const listen = (data) => service.take(data);
if (port.on) port.on("message", listen);
else port.onmessage = ({ data }) => listen(data);
