/** Makes long videos, and cheap plugins that find something in each frame. */
import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import type { Server } from "../kit/server";

const ROOT = resolve(import.meta.dirname, "../../../../..");

const PYTHON = join(ROOT, ".venv/bin/python");

interface Clip {
  frames: number;
  width: number;
  height: number;
}

/** Make a video with 30 frames per second in the server's folder. */
export function makeClip(server: Server, name: string, { frames, width, height }: Clip): void {
  const call = `make_clip(Path(${JSON.stringify(join(server.folder, name))}), frames=${frames}, width=${width}, height=${height}, fps=30)`;
  execFileSync(PYTHON, ["-c", `from pathlib import Path\nfrom tests.clips import make_clip\n${call}`], { cwd: ROOT });
}

/** Make a longer video of one in the server's folder, by repeats of its coded pictures; it begins anew `times` times. */
export function repeatClip(server: Server, name: string, longer: string, times: number): void {
  execFileSync(PYTHON, ["-c", REPEAT, join(server.folder, name), join(server.folder, longer), String(times)]);
}

const REPEAT = `
import av, sys
short, longer, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
with av.open(short) as source, av.open(longer, "w") as target:
    given = source.streams.video[0]
    packets = [packet for packet in source.demux(given) if packet.size]
    length = sum(packet.duration for packet in packets)
    stream = target.add_stream_from_template(given)
    stream.time_base = given.time_base
    coded = [(bytes(packet), packet.pts, packet.dts, packet.duration, packet.is_keyframe) for packet in packets]
    for number in range(times):
        for data, pts, dts, duration, is_keyframe in coded:
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.duration = stream, given.time_base, duration
            packet.pts, packet.dts, packet.is_keyframe = pts + number * length, dts + number * length, is_keyframe
            target.mux(packet)
`;

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

/** Write a plugin that gives two numbers for each frame. */
export function writeMetrics(server: Server, name: string): void {
  server.writePlugin(name, `@tool('${name}')\ndef measure(frame):\n    return {'metrics': {'level': frame.index * 7919 % 256, 'share': frame.index % 17 / 17}}`);
}

/** Make an ended job as long as `frames` by repeats of its frames, in the database of a server that is not running. */
export function lengthenJob(server: Server, jobId: string, frames: number): void {
  execFileSync(PYTHON, ["-c", LENGTHEN, join(server.folder, "data", "kinora.db"), jobId, String(frames)]);
}

const LENGTHEN = `
import json, sqlite3, sys
path, job_id, frames = sys.argv[1], sys.argv[2], int(sys.argv[3])
with sqlite3.connect(path) as base:
    job, state = base.execute("SELECT number, state FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    some = [json.loads(data) for (data,) in base.execute("SELECT data FROM frames WHERE job = ? ORDER BY frame_index", (job,))]
    step_ms = some[1]["timestamp_ms"] - some[0]["timestamp_ms"]
    def repeats():
        for index in range(len(some), frames):
            frame = some[index % len(some)] | {"frame_id": f"frame-{index:06d}", "index": index, "timestamp_ms": index * step_ms}
            results = dict(frame["results"])
            if "light" in results:
                results["light"] = {"metrics": {"level": index * 7919 % 256, "share": index % 17 / 17}}
            yield job, index, json.dumps(frame | {"results": results}).encode()
    base.executemany("INSERT INTO frames VALUES (?, ?, ?)", repeats())
    known = json.loads(state) | {"frames_done": frames, "frames_total": frames}
    base.execute("UPDATE jobs SET state = ? WHERE number = ?", (json.dumps(known).encode(), job))
`;

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
