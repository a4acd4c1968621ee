// The worker as seen from the page: `call` gives a task to it and awaits what becomes of it. A worker that dies is
// replaced; it keeps nothing that a call does not bring along, so that the next call goes on as before.

export class Coder {
  #source;
  #parts;
  #worker;
  #last = 0;
  #waiting = new Map();

  // source: the worker's script; parts: what it is started with, texts as they lie in the page.
  constructor(source, parts) {
    this.#source = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.#parts = parts;
    this.#start();
  }

  // Rejects with an Error of one sentence, or with the signal's reason.
  call(task, argument, { signal, progress } = {}) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const id = ++this.#last;
      const cancel = () => {
        if (!this.#waiting.delete(id)) return;
        this.#worker.postMessage({ cancel: id });
        reject(signal.reason);
      };
      const settle = (how) => (value) => {
        signal?.removeEventListener("abort", cancel);
        how(value);
      };
      signal?.addEventListener("abort", cancel, { once: true });
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject), progress });
      this.#worker.postMessage({ id, task, argument });
    });
  }

  #start() {
    this.#worker = new Worker(this.#source);
    this.#worker.onmessage = ({ data }) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#replace(event.message || "it ran out of memory");
    };
    this.#worker.postMessage({ parts: this.#parts });
  }

  #hear({ id, result, error, progress }) {
    const call = this.#waiting.get(id);
    if (!call) return; // it was cancelled
    if (progress) return call.progress?.(progress);
    this.#waiting.delete(id);
    if (error) call.reject(new Error(error));
    else call.resolve(result);
  }

  #replace(reason) {
    this.#worker.terminate();
    const lost = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#start();
    for (const call of lost) call.reject(new Error(`the coder stopped and was started anew: ${reason}`));
  }
}
