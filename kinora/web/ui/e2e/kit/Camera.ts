/** A camera that sends one JPEG after another over HTTP while a client is connected. */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const INTERVAL_MS = 100;

export class Camera {
  readonly #server: Server;
  port = 0;
  /** Sent to those that connect from now on. */
  picture: Buffer;

  constructor(picture: Buffer) {
    this.picture = picture;
    this.#server = createServer((_request, response) => {
      response.writeHead(200, { "content-type": "multipart/x-mixed-replace; boundary=picture" });
      const timer = setInterval(() => send(response, this.picture), INTERVAL_MS);
      response.once("close", () => clearInterval(timer));
    });
  }

  /** Listen, on the port of before if it was closed. */
  async open(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(this.port, "127.0.0.1", done));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function send(response: ServerResponse, picture: Buffer): void {
  response.write(`--picture\r\nContent-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\n\r\n`);
  response.write(picture);
  response.write("\r\n");
}
