/** Plugins that do what plugins do. */
import type { Server } from "./server";

export function writePlugins(server: Server): void {
  server.writePlugin("careless", "@tool('careless')\ndef careless(frame):\n    return {'share': 1 / (frame.index % 7)}");
  server.writePlugin("hanging", "@tool('hanging')\ndef hanging(frame):\n    time.sleep(3600)");
  server.writePlugin("slow", "@tool('slow')\ndef slow(frame):\n    time.sleep(0.1)\n    return {'metrics': {'index': frame.index}}");
  server.writePlugin("crashing", "@tool('crashing')\ndef crashing(frame):\n    if frame.index == 3:\n        os._exit(1)");
  server.writePlugin(
    "pitch",
    "@tool('pitch')\ndef pitch(frame):\n    return {'lines': [[0, 0, 300, 200]], 'keypoints': [[50, 50]]}",
  );
  server.writePlugin("broken", "import torch_is_not_here");
}
