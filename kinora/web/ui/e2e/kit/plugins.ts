/** Plugins for the tests: some work, some have the usual faults. */
import type { Server } from "./server";

export function writePlugins(server: Server): void {
  server.writePlugin("careless", "@tool('careless')\ndef careless(frame):\n    return {'share': 1 / (frame.index % 7)}");
  server.writePlugin("talking", "@tool('talking')\ndef talking(frame):\n    print('frame', frame.index, 'it is')");
  server.writePlugin("hanging", "@tool('hanging')\ndef hanging(frame):\n    time.sleep(3600)");
  server.writePlugin("slow", "@tool('slow')\ndef slow(frame):\n    time.sleep(0.1)\n    return {'metrics': {'index': frame.index}}");
  server.writePlugin("overdue", "@tool('overdue', latency_budget_ms=1)\ndef overdue(frame):\n    time.sleep(0.005)");
  server.writePlugin("crashing", "@tool('crashing')\ndef crashing(frame):\n    if frame.index == 3:\n        os._exit(1)");
  server.writePlugin("dying", "@tool('dying')\ndef dying(frame):\n    os._exit(1)");
  server.writePlugin(
    "pitch",
    "@tool('pitch')\ndef pitch(frame):\n    return {'lines': [[0, 0, 300, 200]], 'keypoints': [[50, 50]]}",
  );
  server.writePlugin("walker", `@tool('walker')\ndef walker(frame):\n    return {'detections': [{${BOX}, 'x': 5 * frame.index, 'track_id': 6}]}`);
  server.writePlugin("single", `@tool('single')\ndef single(frame):\n    time.sleep(0.05)\n    return {'detections': [{${BOX}, 'x': 0}]}`);
  server.writePlugin("double", `@tool('double')\ndef double(frame):\n    time.sleep(0.05)\n    return {'detections': [{${BOX}, 'x': x} for x in (0, 20)]}`);
  server.writePlugin("broken", "import torch_is_not_here");
}

const BOX = "'class': 'thing', 'y': 24, 'width': 9, 'height': 9, 'confidence': 1.0";
