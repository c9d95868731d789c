/** Let waiting tasks run first: answers, clicks, painting. A timer would take 4 ms, and a second in a hidden tab. */
export function giveWay(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
