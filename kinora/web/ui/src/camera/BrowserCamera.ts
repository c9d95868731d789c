/** The camera of the browser that shows this page: asks for it, gives its stream for a preview, and takes pictures. */
import { refusalInWords, whyNoCameras } from "./refusals";
import { Shutter } from "./Shutter";

export interface Device {
  id: string;
  label: string;
}

export interface CameraState {
  step: "off" | "asking" | "on" | "refused";
  /** Why there is no camera; null unless it was refused. */
  why: string | null;
  /** The cameras to choose from; known once one is on. */
  devices: readonly Device[];
  /** The camera that is on. */
  deviceId: string;
  stream: MediaStream | null;
}

const OFF: CameraState = { step: "off", why: null, devices: [], deviceId: "", stream: null };
const WANTED: MediaTrackConstraints = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
const GONE = "The camera is gone: it was unplugged, or the browser took it back.";

export class BrowserCamera {
  readonly #listeners = new Set<() => void>();
  #state = OFF;
  #shutter: Shutter | null = null;
  /** The number of the latest request for a camera: the answer to an older one is not wanted any more. */
  #round = 0;

  readonly get = (): CameraState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Turn a camera on, which the browser may ask the user about; any one if `deviceId` is empty. */
  async open(deviceId = ""): Promise<void> {
    const why = whyNoCameras();
    if (why !== null) {
      this.#become({ ...OFF, step: "refused", why });
      return;
    }
    const round = ++this.#round;
    this.#become({ step: "asking", why: null });
    try {
      const video = deviceId === "" ? WANTED : { ...WANTED, deviceId: { exact: deviceId } };
      const stream = await navigator.mediaDevices.getUserMedia({ audio: false, video });
      if (round === this.#round) await this.#use(stream);
      else stopAll(stream);
    } catch (fault) {
      if (round === this.#round) this.#end({ ...OFF, step: "refused", why: refusalInWords(fault) });
    }
  }

  /** Turn the camera off. */
  readonly close = (): void => {
    this.#round++;
    this.#end(OFF);
  };

  /** A picture as JPEG; null if the camera has given none since the last call. */
  take(): Promise<Blob | null> {
    return this.#shutter?.take() ?? Promise.resolve(null);
  }

  async #use(stream: MediaStream): Promise<void> {
    this.#end({ ...OFF, step: "asking" });
    const [track] = stream.getVideoTracks();
    track?.addEventListener("ended", () => {
      if (this.#state.stream === stream) this.#end({ ...OFF, step: "refused", why: GONE });
    });
    this.#shutter = new Shutter(stream);
    this.#become({ step: "on", stream, deviceId: track?.getSettings().deviceId ?? "" });
    // The names are told only to a page that was given a camera.
    const devices = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    if (this.#state.stream === stream) this.#become({ devices: devices.map(({ deviceId: id, label }, at) => ({ id, label: label || `Camera ${at + 1}` })) });
  }

  #end(next: CameraState): void {
    if (this.#state.stream) stopAll(this.#state.stream);
    this.#shutter?.stop();
    this.#shutter = null;
    this.#become(next);
  }

  #become(change: Partial<CameraState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

function stopAll(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

export const browserCamera = new BrowserCamera();
