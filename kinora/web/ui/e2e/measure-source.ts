/** Makes long videos, and cheap plugins that find something in each frame. */
import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import type { Server } from "./kit/server";

const ROOT = resolve(import.meta.dirname, "../../../..");

interface Clip {
  frames: number;
  width: number;
  height: number;
}

/** Make a video with 30 frames per second in the server's folder. */
export function makeClip(server: Server, name: string, { frames, width, height }: Clip): void {
  const call = `make_clip(Path(${JSON.stringify(join(server.folder, name))}), frames=${frames}, width=${width}, height=${height}, fps=30)`;
  execFileSync(join(ROOT, ".venv/bin/python"), ["-c", `from pathlib import Path\nfrom tests.clips import make_clip\n${call}`], { cwd: ROOT });
}

/** Write a plugin that finds six moving boxes, each with a track. */
export function writeBoxes(server: Server, name: string): void {
  server.writePlugin(name, `${boxes(name)}\n\n@tool('${name}')\ndef find(frame):\n    return boxes(frame)`);
}

/** Write such a plugin that takes each frame when its time has come, as if from a camera. */
export function writePacedBoxes(server: Server, name: string): void {
  server.writePlugin(name, `${boxes(name)}

began = None


@tool('${name}')
def find(frame):
    global began
    at = frame.timestamp_ms / 1000
    began = began or time.monotonic() - at
    time.sleep(max(0, began + at - time.monotonic()))
    return boxes(frame)`);
}

const boxes = (kind: string) => `
def boxes(frame):
    height, width = frame.image.shape[:2]
    step = frame.index % 60 / 100
    places = [(width * (0.05 + 0.05 * n + step / 2), height * (0.1 + 0.1 * n)) for n in range(6)]
    return {'detections': [
        {'class': '${kind}', 'confidence': 0.87, 'x': round(x, 1), 'y': round(y, 1), 'width': width / 10, 'height': height / 5, 'track_id': n}
        for n, (x, y) in enumerate(places)
    ]}
`;
