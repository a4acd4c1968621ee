// The worker of the package; the first of those that help it has no stack.
import { Worker } from "node:worker_threads";

const { postMessage } = Worker.prototype;
let helpers = 0;
Worker.prototype.postMessage = function (message) {
  if (message.help && ++helpers === 1) message.help.stack = 16;
  postMessage.call(this, message);
};
await import("../../codec/web/worker.js");
