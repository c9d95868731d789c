import type { Socket } from "../../src/realtime/RealtimeClient";

/** The browser's side of a WebSocket; the test plays the network. */
export class FakeSocket implements Socket {
  readonly url: string;
  readonly sent: unknown[] = [];
  binaryType: BinaryType = "blob";
  readyState = 0;
  closedWith: number | undefined;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;

  constructor(url: string) {
    this.url = url;
  }

  get query(): URLSearchParams {
    return new URL(this.url).searchParams;
  }

  send(data: unknown): void {
    this.sent.push(JSON.parse(data as string));
  }

  close(code?: number): void {
    this.readyState = 3;
    this.closedWith = code;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.call(this as unknown as WebSocket, new Event("open"));
  }

  receive(data: unknown): void {
    const body = data instanceof ArrayBuffer ? data : JSON.stringify(data);
    this.onmessage?.call(this as unknown as WebSocket, new MessageEvent("message", { data: body }));
  }

  drop(code = 1006): void {
    this.readyState = 3;
    this.onclose?.call(this as unknown as WebSocket, new CloseEvent("close", { code }));
  }
}
