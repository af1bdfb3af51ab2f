/* A page opened from a folder may start no Worker. A hidden frame of the same page does its work instead, so that the
   search works without a server. The theme looks for the name IFrameWorker. */
if (location.protocol === "file:") {
  window.Worker = window.IFrameWorker = class IFrameWorker extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.title = "Search";
      document.body.appendChild(this.frame);
      const inside = this.frame.contentWindow;
      inside.document.open();
      inside.document.write("<!doctype html><title>Search</title><body></body>");
      inside.postMessage = function (data) { window.postMessage(data, "*"); };
      inside.importScripts = async function () {
        for (const source of arguments) await inside.load(source);
      };
      inside.load = function (source) {
        return new Promise(function (done, fail) {
          const script = inside.document.createElement("script");
          script.src = source;
          script.onload = done;
          script.onerror = fail;
          inside.document.body.appendChild(script);
        });
      };
      this.ready = inside.load(String(url));
      inside.document.close();
      window.addEventListener("message", (event) => {
        if (event.source === window) this.dispatchEvent(new MessageEvent("message", { data: event.data }));
      });
    }
    postMessage(data) {
      this.ready.then(() => {
        const inside = this.frame.contentWindow;
        inside.dispatchEvent(new inside.MessageEvent("message", { data: data }));
      });
    }
    terminate() { this.frame.remove(); }
  };
}
